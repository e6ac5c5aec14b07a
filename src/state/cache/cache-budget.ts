/** Adds bytes to the used part of a budget; a negative number releases them. Only for caches. */
export let charge: (budget: CacheBudget, bytes: number) => void;

/**
 * Memory limit for the record caches of all applications that share this object; every store of every task
 * uses it.
 *
 * It limits rows that are not dirty. Rows that changed since the last commit are never evicted; if they
 * exceed the budget, the commit comes earlier. Additional memory: the changed rows of one batch; and for some
 * stores a filter that identifies absent keys, with 2 bytes per key and at most 8 MB. These are stores with
 * expiring rows, and stores with a directory that began empty in this process.
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

  /** An estimate: keys and values by their encoded size, plus the overhead of an entry. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  get exceeded(): boolean {
    return this.#usedBytes > this.maxBytes;
  }
}
