import type { TaskOptions } from './task-options.js';

/** A crash costs what was committed since the last time: so much, and what the commit behind it has. */
const MAX_POSTPONED_MS = 1_000;

/**
 * When the database has to take what is committed (step 4, see commit.ts) in a task that has more to do. Each
 * time would be as well; but in a fold over few keys each commit changes the same rows, and to write them is
 * a good part of its cost. So they wait in the cache, until they are as many as the records of a commit, the
 * cache is full, or the last time is a second ago. Asked with each commit.
 */
export class ApplyDue {
  readonly #options: Pick<TaskOptions, 'config' | 'budget' | 'ports'>;
  #last: number;

  constructor(options: Pick<TaskOptions, 'config' | 'budget' | 'ports'>) {
    this.#options = options;
    this.#last = options.ports.clock.monotonic();
  }

  applied(): void {
    this.#last = this.#options.ports.clock.monotonic();
  }

  /** `rows`: how many are committed and not written. */
  isNow(rows: number): boolean {
    const { config, budget, ports } = this.#options;
    return rows >= config.commitRecords || budget.exceeded || ports.clock.monotonic() - this.#last >= MAX_POSTPONED_MS;
  }
}
