/** The marked keys of a store, and its running reads. */
export class ReadsUnderWay<E> {
  #wanted: E[] = [];
  readonly #reading = new Set<Promise<void>>();

  /** Whether marked keys are not loaded yet; another caller may already be reading them. */
  get hasWanted(): boolean {
    return this.#wanted.length > 0 || this.#reading.size > 0;
  }

  want(entry: E): void {
    this.#wanted.push(entry);
  }

  /** Starts to read all marked keys. */
  start(read: (wanted: readonly E[]) => Promise<void>): void {
    const wanted = this.#wanted;
    if (wanted.length === 0) return;
    this.#wanted = [];
    const reading = read(wanted);
    this.#reading.add(reading);
    const over = (): void => void this.#reading.delete(reading);
    // Callers of {@link settled} receive a failure, perhaps later; until then it must not count as an
    // unhandled rejection.
    reading.then(over, over);
  }

  /** Resolves when all running reads are done; undefined if there are none. */
  settled(): Promise<void> | undefined {
    return this.#reading.size > 0 ? Promise.all(this.#reading).then(() => undefined) : undefined;
  }
}
