import type { BrokerRecord, PartitionOffset, Reader } from '../../broker/port.js';
import type { Alignment } from '../align/alignment.js';
import { addedTo, textOf } from '../config/offset-texts.js';
import type { PlannedTask } from '../topics/planned-tasks.js';
import { positionsText } from '../topics/sources.js';
import { Intake, type IntakeOptions } from './intake.js';

/**
 * Earlier than any record. A record with an unknown event time is earlier still: it waits for no other task.
 */
const NO_MOMENT = -Number.MAX_VALUE;
/** After all other tasks had read everything, they are not checked again for this long. */
const ALONE_MS = 50;

/** The task that owns the intake. */
export interface Paced extends Pick<PlannedTask, 'id' | 'subTopology'> {
  readonly uncommitted: number;
  readonly streamTime: number;
  /** Makes a commit due at the current positions, even if nothing was processed. */
  touch(): void;
  commit(options: { readonly ahead: boolean }): Promise<void>;
}

export interface PacedIntakeOptions extends IntakeOptions {
  readonly alignment: Alignment;
  readonly task: Paced;
  /** The committed offsets of the task's positions. */
  readonly committed: readonly PartitionOffset[];
}

/**
 * The intake of a task that is aligned in time with other tasks, because their records meet after a
 * repartition.
 *
 * Before a record that may make something final, it checks the progress of the others (see
 * {@link Alignment}). It considers the slowest task that is behind, and the next moment at which something
 * becomes final that this task may still change: usually the end of a window. It takes no record at or after
 * that moment. It publishes its own progress by a commit, and waits until the slowest task has moved on.
 * Between two such moments, and when no task is behind, it reads as fast as it can.
 *
 * One task can always continue: a waiting task has committed the time of its next record, and the one with
 * the lowest time waits for no other.
 */
export class PacedIntake extends Intake {
  readonly #alignment: Alignment;
  readonly #task: Paced;
  #others: readonly string[];
  /** Records of this time or later are not taken without a check. */
  #before: number;
  /** The same according to the last check, for a task that resumes after being idle. */
  #looked: number;
  /** Until then, no check is needed while it has more to read. */
  #aloneUntil = Number.POSITIVE_INFINITY;
  /** Time of the next record in its last commit; undefined: it had none, or its time is unknown. */
  #published: number | undefined;
  /** The last committed positions; undefined: not all of them. */
  #committed: string | undefined;

  constructor(
    reader: Reader,
    positions: readonly PartitionOffset[],
    latest: readonly PartitionOffset[],
    { alignment, task, committed, ...options }: PacedIntakeOptions,
  ) {
    super(reader, positions, latest, { ...options, bounded: true });
    this.#alignment = alignment;
    this.#task = task;
    this.#others = alignment.othersOf(task);
    // A task that only publishes its progress waits for no other.
    this.#before = this.#others.length > 0 ? NO_MOMENT : Number.POSITIVE_INFINITY;
    this.#looked = this.#before;
    if (committed.length === positions.length) this.#committed = positionsText(committed);
  }

  override get pace(): 'watched' | 'held' {
    const { next } = this;
    if (next === undefined) return super.pace === 'held' ? 'held' : 'watched';
    return next >= this.#before ? 'held' : 'watched';
  }

  override get isAwaited(): boolean {
    if (super.isAwaited) return true;
    const isRead = this.left === 0 && this.#task.uncommitted > 0;
    return isRead && (this.#published !== undefined || this.#alignment.isAwaited);
  }

  /** With the time of the next record, which other tasks need. */
  override get positions(): readonly PartitionOffset[] {
    const next = this.#told;
    if (next === undefined) return super.positions;
    const metadata = addedTo(undefined, { next });
    return super.positions.map((position) => ({ ...position, metadata }));
  }

  override committed(positions: readonly PartitionOffset[]): void {
    super.committed(positions);
    // The value that others read, which may differ from the current one.
    const { next } = textOf(positions[0]?.metadata);
    this.#published = typeof next === 'number' ? next : undefined;
    this.#committed = positionsText(positions);
    this.#alignment.wake();
  }

  override wakeup(): void {
    super.wakeup();
    this.#alignment.wake();
  }

  /** Waits up to `maxWaitMs` for other tasks, too. */
  override async take(max: number, maxWaitMs: number): Promise<readonly BrokerRecord[]> {
    for (;;) {
      // Records that arrive after everything was read also arrive for other tasks.
      const isOver = this.left === 0 || this.#alignment.now >= this.#aloneUntil;
      if (this.#before === Number.POSITIVE_INFINITY && isOver) this.#before = this.#looked;
      const records = await super.take(max, maxWaitMs, this.#before);
      if (records.length > 0 || this.isFull) return records;
      const { next } = this;
      if (next === undefined) {
        if (this.left === 0) this.#moved();
        return records;
      }
      if (next >= this.#before) await this.#look(next);
      if (next < this.#before) continue;
      if (this.#task.uncommitted > 0 || this.#published !== this.#told) {
        this.#task.touch();
        await this.#task.commit({ ahead: true });
      }
      this.#alignment.waits();
      if (maxWaitMs > 0) await this.#alignment.wait(maxWaitMs);
      return records;
    }
  }

  /** Time of the next record, if it is known. */
  get #told(): number | undefined {
    const { next } = this;
    return next !== undefined && Number.isFinite(next) ? next : undefined;
  }

  /**
   * Positions past offsets without records must be committed, too; otherwise the task would seem to be behind
   * for ever.
   */
  #moved(): void {
    if (this.#task.uncommitted === 0 && this.#committed !== positionsText(super.positions)) this.#task.touch();
  }

  async #look(next: number): Promise<void> {
    const view = await this.#alignment.view();
    if (view === undefined) return;
    this.#others = this.#alignment.othersOf(this.#task);
    // Records that others wrote to this task before they reached their current progress are read first.
    this.expect([...view.ends.values()]);
    let lowest = Number.POSITIVE_INFINITY;
    for (const id of this.#others) {
      const standing = view.standings.get(id);
      if (standing?.isBehind && standing.time < lowest) lowest = standing.time;
    }
    const slowest = Math.min(lowest, Math.max(this.#task.streamTime, next));
    // A limit is never lowered, even if another task falls behind: so the time of the check does not matter.
    if (slowest !== Number.NEGATIVE_INFINITY)
      this.#looked = Math.max(this.#looked, this.#alignment.nextClosing(this.#task.subTopology, slowest));
    const isAlone = lowest === Number.POSITIVE_INFINITY;
    if (isAlone) this.#aloneUntil = this.#alignment.now + ALONE_MS;
    this.#before = isAlone ? Number.POSITIVE_INFINITY : this.#looked;
  }
}
