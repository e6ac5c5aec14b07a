import type { TaskScope } from '../topics/task-scope.js';

/**
 * After a crash, what was committed since the last write is restored: that much, plus the commit after it.
 */
const MAX_POSTPONED_MS = 1_000;

/**
 * Decides when the database takes what is committed (step 4, see commit.ts), in a task that has more to do.
 * Writing on every commit would be correct. But a fold over few keys rewrites the same rows each time, which
 * is a large part of its cost. So rows wait in the cache. They are written once they are as many as the
 * records of a commit, the cache is full, or the last write was a second ago. Checked with each commit.
 */
export class ApplyDue {
  readonly #options: Pick<TaskScope, 'config' | 'budget' | 'ports'>;
  #last: number;

  constructor(options: Pick<TaskScope, 'config' | 'budget' | 'ports'>) {
    this.#options = options;
    this.#last = options.ports.clock.monotonic();
  }

  applied(): void {
    this.#last = this.#options.ports.clock.monotonic();
  }

  /** @param rows Number of rows that are committed and not written. */
  isNow(rows: number): boolean {
    const { config, budget, ports } = this.#options;
    return rows >= config.commitRecords || budget.exceeded || ports.clock.monotonic() - this.#last >= MAX_POSTPONED_MS;
  }
}
