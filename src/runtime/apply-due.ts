import type { TaskOptions } from './task-options.js';

/** At most so much of what is committed is read from the changelog after a crash: what was committed within this time. */
const MAX_POSTPONED_MS = 1_000;

/**
 * When the database has to take what is committed (step 4, see commit.ts) in a task that has more to do. Each time would be as well; but in a fold over few keys each commit changes the same rows, and to write them is a good part of its cost. So
 * they wait in the cache, for a second at most, until they are as many as the records of a commit, or the cache is full.
 */
export class ApplyDue {
  readonly #options: Pick<TaskOptions, 'config' | 'budget' | 'ports'>;
  #last: number;

  constructor(options: Pick<TaskOptions, 'config' | 'budget' | 'ports'>) {
    this.#options = options;
    this.#last = options.ports.clock.monotonic();
  }

  /** `rows`: how many are committed and not written. */
  isNow(rows: number): boolean {
    const { config, budget, ports } = this.#options;
    const now = ports.clock.monotonic();
    if (rows < config.commitRecords && !budget.exceeded && now - this.#last < MAX_POSTPONED_MS) return false;
    this.#last = now;
    return true;
  }
}
