/** Kafka's names of compressions. The index in this list is the code in the attributes of a record batch. */
export const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

export type Compression = (typeof COMPRESSIONS)[number];

/** Compresses and decompresses the records of a batch. */
export interface Codec {
  readonly name: Compression;
  pack(bytes: Buffer): Uint8Array;
  /**
   * Throws for invalid compressed bytes, and for a result of more than `maxBytes`, before it allocates that
   * much memory.
   */
  unpack(bytes: Buffer, maxBytes: number): Uint8Array;
}

/** Thrown by `unpack`. Callers turn it into an error with topic and offset. */
export class UnpackError extends Error {
  override readonly name = 'UnpackError';
}

export const tooLarge = (bytes: number, maxBytes: number): UnpackError =>
  new UnpackError(`they unpack to ${bytes} bytes or more, ${maxBytes} are allowed`);
