/** One put in so many is measured. */
const MEASURED = 64;
/** How much of the average one measurement is. */
const SHARE = 1 / 8;

/**
 * How long the bytes of rows will be that changed since the last commit. They are made when it commits, and
 * the memory that they take has to be known before, so that it can commit earlier.
 *
 * Text and bytes are as long as they are. Of other values one in 64 is encoded once more. The rest is taken
 * for what was known of the row before, or else for as long as others of the store were on average.
 */
export class RowSizes<V> {
  readonly #encode: (value: V) => Buffer;
  #average = 0;
  #puts = 0;

  constructor(encode: (value: V) => Buffer) {
    this.#encode = encode;
  }

  /** `encoded`: the bytes of the value, if they are known. `before`: what is known of the row. */
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
