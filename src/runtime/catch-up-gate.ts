import { type PartitionOffset, partitionKey } from '../broker/port.js';
import type { Clock } from '../model/ports.js';
import type { CatchUpPhase } from './catch-up.js';
import { positionsText } from './sources.js';

/**
 * How often somebody who waits asks the group again, and how often it commits at most for others who wait.
 */
const LOOK_AGAIN_MS = 100;

/** The task that it is of. */
export interface GatedTask {
  readonly uncommitted: number;
  /** Lets it be committed where it stands, when a commit is due, also if it has processed nothing. */
  touch(): void;
}

export interface CatchUpGateOptions {
  readonly phase: CatchUpPhase;
  /** Whether the task's last commit has said that it is quiet. */
  readonly isQuiet: () => boolean;
  readonly task: GatedTask;
  readonly clock: Clock;
  /** What the group has of its positions. */
  readonly committed: readonly PartitionOffset[];
}

/**
 * Holds new records of a task back until its part of the application has caught up (see
 * {@link CatchUpPhase}): its sources are read up to where their old records end. Who has read so far commits
 * it, since others wait to know, and asks the group how far they are.
 */
export class CatchUpGate {
  readonly #options: CatchUpGateOptions;
  readonly #own: ReadonlyMap<string, PartitionOffset>;
  /** What was committed last. */
  #committed: string;
  #committedAt = Number.NEGATIVE_INFINITY;
  #lookAt = Number.NEGATIVE_INFINITY;

  constructor(options: CatchUpGateOptions) {
    this.#options = options;
    this.#own = new Map(options.committed.map((at) => [partitionKey(at.topic, at.partition), at]));
    this.#committed = positionsText(options.committed);
  }

  /** Up to where a partition is read that begins at a position. */
  readTo(position: PartitionOffset): number {
    const { topic, partition, offset } = position;
    const to = this.#options.phase.readTo(position, this.#own.get(partitionKey(topic, partition)));
    return Math.max(offset, to);
  }

  /** Whether others may wait for a commit of what was processed. */
  get isAwaited(): boolean {
    const { task, clock } = this.#options;
    return task.uncommitted > 0 && clock.monotonic() - this.#committedAt >= LOOK_AGAIN_MS;
  }

  committed(positions: readonly PartitionOffset[]): void {
    this.#committed = positionsText(positions);
    this.#committedAt = this.#options.clock.monotonic();
  }

  /**
   * Whether what was held back may be read. `left`: how many records are left before. `positions`: where the
   * task stands; what it moved over without a record has to be committed, too, and once more to be quiet.
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
    // Who does not wait for records asks each time: no clock may pass meanwhile.
    if (maxWaitMs > 0 && now < this.#lookAt) return false;
    this.#lookAt = now + LOOK_AGAIN_MS;
    return phase.look();
  }

  /** How long to wait for more at most, so as to ask again in time. */
  waitMs(maxWaitMs: number): number {
    return Math.min(maxWaitMs, LOOK_AGAIN_MS);
  }

  /** It is over: says so with the positions. */
  released(): void {
    this.#options.task.touch();
  }
}
