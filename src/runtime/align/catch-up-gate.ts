import { type PartitionOffset, partitionKey } from '../../broker/port.js';
import type { Clock } from '../../model/ports.js';
import { positionsText } from '../topics/sources.js';
import type { CatchUpPhase } from './catch-up.js';

/** How often a waiting task asks the group again, and the minimum time between commits for waiting tasks. */
const LOOK_AGAIN_MS = 100;

/** The task that owns the gate. */
export interface GatedTask {
  readonly uncommitted: number;
  /** Makes a commit due at the current positions, even if nothing was processed. */
  touch(): void;
}

export interface CatchUpGateOptions {
  readonly phase: CatchUpPhase;
  /** Whether the task's last commit has marked it as quiet. */
  readonly isQuiet: () => boolean;
  readonly task: GatedTask;
  readonly clock: Clock;
  /** The positions that the group has for the task. */
  readonly committed: readonly PartitionOffset[];
}

/**
 * Holds the new records of a task back until its part of the application has caught up (see
 * {@link CatchUpPhase}). The task reads its sources up to where their old records end. It then commits that
 * position, because other tasks wait for it, and asks the group for the progress of the others.
 */
export class CatchUpGate {
  readonly #options: CatchUpGateOptions;
  readonly #own: ReadonlyMap<string, PartitionOffset>;
  /** The positions of the last commit, as a text. */
  #committed: string;
  #committedAt = Number.NEGATIVE_INFINITY;
  #lookAt = Number.NEGATIVE_INFINITY;

  constructor(options: CatchUpGateOptions) {
    this.#options = options;
    this.#own = new Map(options.committed.map((at) => [partitionKey(at.topic, at.partition), at]));
    this.#committed = positionsText(options.committed);
  }

  /** The offset up to which a partition that begins at `position` is read. */
  readTo(position: PartitionOffset): number {
    const { topic, partition, offset } = position;
    const to = this.#options.phase.readTo(position, this.#own.get(partitionKey(topic, partition)));
    return Math.max(offset, to);
  }

  /** Whether others may be waiting for a commit of what was processed. */
  get isAwaited(): boolean {
    const { task, clock } = this.#options;
    return task.uncommitted > 0 && clock.monotonic() - this.#committedAt >= LOOK_AGAIN_MS;
  }

  committed(positions: readonly PartitionOffset[]): void {
    this.#committed = positionsText(positions);
    this.#committedAt = this.#options.clock.monotonic();
  }

  /**
   * Whether the held-back records may be read.
   *
   * @param left Number of old records that are still unread.
   * @param positions Positions of the task. Those that moved past offsets without a record must be committed,
   * too, and committed once more to mark the task as quiet.
   */
  async isOver(left: number, positions: readonly PartitionOffset[], maxWaitMs: number): Promise<boolean> {
    const { phase, task, clock, isQuiet } = this.#options;
    if (phase.isOver) return true;
    if (left > 0 || task.uncommitted > 0) return false;
    if (positionsText(positions) !== this.#committed || !isQuiet()) {
      task.touch();
      return false;
    }
    const now = clock.monotonic();
    // A caller that does not wait for records asks each time: its clock may stand still.
    if (maxWaitMs > 0 && now < this.#lookAt) return false;
    this.#lookAt = now + LOOK_AGAIN_MS;
    return phase.look();
  }

  /** Maximum time to wait for records, so that the next check is in time. */
  waitMs(maxWaitMs: number): number {
    return Math.min(maxWaitMs, LOOK_AGAIN_MS);
  }

  /** The phase is over: the next commit marks that. */
  released(): void {
    this.#options.task.touch();
  }
}
