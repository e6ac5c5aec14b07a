/** How much memory the record caches of a whole process may take: one object, shared by every store of every task. */
export class CacheBudget {
  readonly maxBytes: number;
  /** An estimate: keys and values by their encoded size, plus what an entry costs around them. */
  usedBytes = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get exceeded(): boolean {
    return this.usedBytes > this.maxBytes;
  }
}
