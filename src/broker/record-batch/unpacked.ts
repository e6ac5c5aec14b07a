/**
 * Limits the memory of large decompressed batches. A batch of some kilobytes may decompress to a hundred
 * megabytes. It must be readable, but there must not be one for each partition at the same time.
 */

/**
 * Decompressed batches above this size count as large. A broker sends as many bytes of one partition at once.
 */
export const LARGE_BYTES = 1024 * 1024;
/** Limit for all readers of a broker; the last batch may exceed it. */
const MOST_BYTES = 64 * 1024 * 1024;

/** Holds large decompressed bytes while their records are taken, and can decompress them again. */
export interface Unpacked {
  /** Drops the decompressed bytes. */
  drop(): void;
}

export class UnpackedBatches {
  readonly #held = new Map<Unpacked, number>();
  #bytes = 0;

  /** Whether no further batch should be decompressed. */
  get isFull(): boolean {
    return this.#bytes >= MOST_BYTES;
  }

  /** Marks the bytes as in use. */
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

  /** For a reader that would otherwise get no records: drops the least recently used batches. */
  makeRoom(): void {
    for (const unpacked of this.#held.keys()) {
      if (!this.isFull) return;
      this.release(unpacked);
      unpacked.drop();
    }
  }
}
