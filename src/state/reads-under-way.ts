/** What is to be read for a store, and what is being read. */
export class ReadsUnderWay<E> {
  #wanted: E[] = [];
  readonly #reading = new Set<Promise<void>>();

  /** Whether something is wanted that is not there yet: it may be on its way, for somebody else. */
  get hasWanted(): boolean {
    return this.#wanted.length > 0 || this.#reading.size > 0;
  }

  want(entry: E): void {
    this.#wanted.push(entry);
  }

  /** Begins to read all that is wanted. */
  start(read: (wanted: readonly E[]) => Promise<void>): void {
    const wanted = this.#wanted;
    if (wanted.length === 0) return;
    this.#wanted = [];
    const reading = read(wanted);
    this.#reading.add(reading);
    const over = (): void => void this.#reading.delete(reading);
    // Its failure is for those who wait for it, who may not have begun to: it is nobody's unhandled
    // rejection.
    reading.then(over, over);
  }

  /** Resolves when all that is being read is there; undefined if nothing is. */
  settled(): Promise<void> | undefined {
    return this.#reading.size > 0 ? Promise.all(this.#reading).then(() => undefined) : undefined;
  }
}
