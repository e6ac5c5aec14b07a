/** One put in this many is measured. */
const MEASURED = 64;
/** Weight of one measurement in the average. */
const SHARE = 1 / 8;

/**
 * Estimates the encoded size of rows that changed since the last commit. They are encoded only at the commit,
 * but their memory must be known earlier, because it can bring the commit forward.
 *
 * Text and bytes have their own length. Of other values, one in 64 is encoded to measure it. The others get
 * the row's earlier size, or else the average of the store.
 */
export class RowSizes<V> {
  readonly #encode: (value: V) => Buffer;
  #average = 0;
  #puts = 0;

  constructor(encode: (value: V) => Buffer) {
    this.#encode = encode;
  }

  /** `encoded`: the bytes of the value, if they are known. `before`: the row's earlier size. */
  of(value: V | null, encoded: Buffer | undefined, before = this.#average): number {
    if (value === null) return 0;
    if (encoded !== undefined) return encoded.length;
    if (typeof value === 'string') return value.length;
    if (value instanceof Uint8Array) return value.length;
    if (this.#puts++ % MEASURED !== 0) return before;
    const { length } = this.#encode(value);
    this.#average = this.#puts === 1 ? length : this.#average + (length - this.#average) * SHARE;
    return length;
  }
}
