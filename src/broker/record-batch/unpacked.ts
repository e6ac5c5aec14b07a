/**
 * What batches were unpacked to, as far as they are large. A batch of some kilobytes may unpack to a hundred
 * megabytes: readable it must be, but not one of each partition at the same time.
 */

/** From here on what was unpacked is large. What a broker sends of a partition at once has as much. */
export const LARGE_BYTES = 1024 * 1024;
/** Of all readers of a broker; the last batch may exceed it. */
const MOST_BYTES = 64 * 1024 * 1024;

/** Keeps a large one while its records are taken, and can unpack it again. */
export interface Unpacked {
  /** Lets it go. */
  drop(): void;
}

export class UnpackedBatches {
  readonly #held = new Map<Unpacked, number>();
  #bytes = 0;

  /** Whether no batch ought to be unpacked. */
  get isFull(): boolean {
    return this.#bytes >= MOST_BYTES;
  }

  /** In use just now. */
  hold(unpacked: Unpacked, bytes: number): void {
    this.release(unpacked);
    if (bytes <= LARGE_BYTES) return;
    this.#held.set(unpacked, bytes);
    this.#bytes += bytes;
  }

  release(unpacked: Unpacked): void {
    this.#bytes -= this.#held.get(unpacked) ?? 0;
    this.#held.delete(unpacked);
  }

  /** For who gets nothing otherwise: those that have not been used for longest are dropped. */
  makeRoom(): void {
    for (const unpacked of this.#held.keys()) {
      if (!this.isFull) return;
      this.release(unpacked);
      unpacked.drop();
    }
  }
}
