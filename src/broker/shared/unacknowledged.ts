/** Bytes of full batches that are not acknowledged before the caller has to wait. */
const MAX_BYTES = 8 * 1024 * 1024;

/** The batches of a writer that are under way, and how many bytes they have. */
export class Unacknowledged {
  readonly #pending = new Set<Promise<void>>();
  #bytes = 0;

  get isFull(): boolean {
    return this.#bytes > MAX_BYTES;
  }

  /** @param written Settles when they are acknowledged. It never rejects. */
  add(bytes: number, written: Promise<void>): void {
    this.#bytes += bytes;
    const done = written.finally(() => {
      this.#bytes -= bytes;
      this.#pending.delete(done);
    });
    this.#pending.add(done);
  }

  async all(): Promise<void> {
    await Promise.all(this.#pending);
  }

  /** Waits until half of the limit is free. */
  async room(): Promise<void> {
    while (this.#bytes > MAX_BYTES / 2) await Promise.race(this.#pending);
  }
}
