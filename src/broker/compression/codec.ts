/** Kafka's names of compressions. The place in the list is the code in the attributes of a record batch. */
export const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

export type Compression = (typeof COMPRESSIONS)[number];

/** Packs and unpacks the records of a batch. */
export interface Codec {
  readonly name: Compression;
  pack(bytes: Buffer): Uint8Array;
  /**
   * Throws for bytes that nothing was packed to, and if more than `maxBytes` would come out: before that much
   * memory is taken.
   */
  unpack(bytes: Buffer, maxBytes: number): Uint8Array;
}

/** Thrown by `unpack`. What it becomes for a caller is decided where topic and offset are known. */
export class UnpackError extends Error {
  override readonly name = 'UnpackError';
}

export const tooLarge = (bytes: number, maxBytes: number): UnpackError =>
  new UnpackError(`they unpack to ${bytes} bytes or more, ${maxBytes} are allowed`);
