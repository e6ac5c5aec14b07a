/** Takes so many bytes of a budget; negative: gives them back. For caches alone. */
export let charge: (budget: CacheBudget, bytes: number) => void;

/**
 * How much memory the record caches of all applications that are given it may take together: one object,
 * shared by every store of every task.
 *
 * A bound on rows that are not dirty: rows that changed since the last commit are never evicted, and a budget
 * that they exceed brings the commit forward. Memory beyond it: the changed rows of one batch; and 2 bytes a
 * key, at most 8 MB, for each store whose rows expire or whose directory began empty in this process, to know
 * which keys there are not.
 *
 * ```ts no-run
 * const cache = new CacheBudget(64 * 1024 * 1024);
 * await start(payments, { broker, stateDirectory: './state', cache });
 * await start(orders, { broker, stateDirectory: './state', cache }); // 64 MB for both
 * ```
 */
export class CacheBudget {
  readonly maxBytes: number;
  #usedBytes = 0;

  static {
    charge = (budget, bytes) => {
      budget.#usedBytes += bytes;
    };
  }

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** An estimate: keys and values by their encoded size, plus what an entry costs around them. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  get exceeded(): boolean {
    return this.#usedBytes > this.maxBytes;
  }
}
