import type { BrokerRecord, PartitionOffset, Reader } from '../broker/port.js';
import type { Alignment } from './alignment.js';
import { Intake, type IntakeOptions } from './intake.js';
import { addedTo, textOf } from './offset-texts.js';
import type { PlannedTask } from './planned-tasks.js';
import { positionsText } from './sources.js';

/**
 * Earlier than any record. One of which nobody can tell when it happened is earlier still: it waits for
 * nobody.
 */
const NO_MOMENT = -Number.MAX_VALUE;
/** For so long nobody is asked again, once all others had read what there is. */
const ALONE_MS = 50;

/** The task that it is of. */
export interface Paced extends Pick<PlannedTask, 'id' | 'subTopology'> {
  readonly uncommitted: number;
  readonly streamTime: number;
  /** Lets it be committed where it stands, when a commit is due, also if it has processed nothing. */
  touch(): void;
  commit(options: { readonly ahead: boolean }): Promise<void>;
}

export interface PacedIntakeOptions extends IntakeOptions {
  readonly alignment: Alignment;
  readonly task: Paced;
  /** What the group knew of its positions. */
  readonly committed: readonly PartitionOffset[];
}

/**
 * The intake of a task that keeps together, in time, with the others whose records meet its own behind a
 * repartition.
 *
 * Before a record that may make something final it looks where the others are (see {@link Alignment}). It
 * takes none at or behind the first moment at which something becomes final that the slowest of those who are
 * behind may still change: an end of a window, mostly. It says where it stands itself, by a commit, and waits
 * until the slowest has moved on. Between two such moments, and when nobody is behind, it reads on as fast as
 * it can.
 *
 * Somebody always goes on: who waits has committed the time of its next record, and the one with the lowest
 * waits for nobody.
 */
export class PacedIntake extends Intake {
  readonly #alignment: Alignment;
  readonly #task: Paced;
  #others: readonly string[];
  /** Records of that time or later are not taken without a look. */
  #before: number;
  /** The same, as the last look says, for who comes back from being idle. */
  #looked: number;
  /** Until then it is alone, if it has more to read. */
  #aloneUntil = Number.POSITIVE_INFINITY;
  /** Time of the next record, as its last commit says; undefined: it had none, or does not know. */
  #published: number | undefined;
  /** What was committed last; undefined: not all positions. */
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
    // Who only lets others know how far it is waits for nobody.
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

  /** With what others want to know. */
  override get positions(): readonly PartitionOffset[] {
    const next = this.#told;
    if (next === undefined) return super.positions;
    const metadata = addedTo(undefined, { next });
    return super.positions.map((position) => ({ ...position, metadata }));
  }

  override committed(positions: readonly PartitionOffset[]): void {
    super.committed(positions);
    // What others read there, and not what it has come to since.
    const { next } = textOf(positions[0]?.metadata);
    this.#published = typeof next === 'number' ? next : undefined;
    this.#committed = positionsText(positions);
    this.#alignment.wake();
  }

  override wakeup(): void {
    super.wakeup();
    this.#alignment.wake();
  }

  /** Waits up to `maxWaitMs` for others, too. */
  override async take(max: number, maxWaitMs: number): Promise<readonly BrokerRecord[]> {
    for (;;) {
      // What comes when all is read comes to others, too.
      const isOver = this.left === 0 || this.#alignment.now >= this.#aloneUntil;
      if (this.#before === Number.POSITIVE_INFINITY && isOver) this.#before = this.#looked;
      const records = await super.take(max, maxWaitMs, this.#before);
      if (records.length > 0) return records;
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

  /** Time of the next record, if it can be told. */
  get #told(): number | undefined {
    const { next } = this;
    return next !== undefined && Number.isFinite(next) ? next : undefined;
  }

  /** What it moved over without a record has to be committed, too, or it would seem to be behind for ever. */
  #moved(): void {
    if (this.#task.uncommitted === 0 && this.#committed !== positionsText(super.positions)) this.#task.touch();
  }

  async #look(next: number): Promise<void> {
    const view = await this.#alignment.view();
    if (view === undefined) return;
    this.#others = this.#alignment.othersOf(this.#task);
    // What others have written to this task, before they were where they are now, is read first.
    this.expect([...view.ends.values()]);
    let lowest = Number.POSITIVE_INFINITY;
    for (const id of this.#others) {
      const standing = view.standings.get(id);
      if (standing?.isBehind && standing.time < lowest) lowest = standing.time;
    }
    const slowest = Math.min(lowest, Math.max(this.#task.streamTime, next));
    // What it once was allowed it still is, whoever is behind now: so it does not matter when it looks.
    if (slowest !== Number.NEGATIVE_INFINITY)
      this.#looked = Math.max(this.#looked, this.#alignment.nextClosing(this.#task.subTopology, slowest));
    const isAlone = lowest === Number.POSITIVE_INFINITY;
    if (isAlone) this.#aloneUntil = this.#alignment.now + ALONE_MS;
    this.#before = isAlone ? Number.POSITIVE_INFINITY : this.#looked;
  }
}
