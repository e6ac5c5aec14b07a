import { containing } from '../../serdes/containing.js';
import type { Serde } from '../../serdes/serde.js';
import { readBound, writeBound } from '../../serdes/windowed.js';

/**
 * The key of a row of a join's buffer: the records of a key whose timestamps lie in one stretch of time, and
 * which part of them.
 */
export class BucketKey<K> {
  constructor(
    readonly key: K,
    /** The first moment of the stretch. */
    readonly start: number,
    /** 0: the part that is added to; from 1 on: those that are full, in the order in which they filled. */
    readonly chunk: number,
  ) {}
}

const START_BYTES = 8;
const SUFFIX_BYTES = START_BYTES + 4;

/**
 * The bytes of the key, the first moment (8 bytes, big endian), the number of the chunk (4, big endian). The
 * length of a stretch is part of the name: rows that were cut otherwise would not be found, so a join whose
 * window is another than before is refused (STATE_MISMATCH) instead.
 */
export function bucketKeySerde<K>(key: Serde<K>, lengthMs: number): Serde<BucketKey<K>> {
  // The rows that a record looks into have one key: it is encoded once for all of them.
  let last: { readonly key: K; readonly bytes: Buffer } | undefined;
  return containing(key, {
    name: `bucket(${key.name},${lengthMs}ms)`,
    encode(row) {
      if (last === undefined || last.key !== row.key) last = { key: row.key, bytes: key.encode(row.key) };
      const { bytes } = last;
      const encoded = Buffer.allocUnsafe(bytes.length + SUFFIX_BYTES);
      bytes.copy(encoded);
      writeBound(encoded, row.start, bytes.length);
      encoded.writeUInt32BE(row.chunk, bytes.length + START_BYTES);
      return encoded;
    },
    decode(encoded) {
      const at = encoded.length - SUFFIX_BYTES;
      if (at < 0)
        throw new Error(`saw the key of a join's row of ${encoded.length} bytes, expected at least ${SUFFIX_BYTES}`);
      return new BucketKey(
        key.decode(encoded.subarray(0, at)),
        readBound(encoded, at),
        encoded.readUInt32BE(at + START_BYTES),
      );
    },
  });
}
