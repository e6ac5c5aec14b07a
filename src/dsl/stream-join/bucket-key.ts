import { containing } from '../../serdes/containing.js';
import type { Serde } from '../../serdes/serde.js';
import { readBound, writeBound } from '../../serdes/windowed.js';

/**
 * The key of a row of a join's buffer. The row holds the records of a key in one stretch of time, or one
 * chunk of them.
 */
export class BucketKey<K> {
  constructor(
    readonly key: K,
    /** The first moment of the stretch. */
    readonly start: number,
    /** 0: the chunk that records are added to; from 1 on: full chunks, in the order in which they filled. */
    readonly chunk: number,
  ) {}
}

const START_BYTES = 8;
const SUFFIX_BYTES = START_BYTES + 4;

/**
 * The bytes of the key, the first moment (8 bytes, big endian), the number of the chunk (4, big endian). The
 * length of a stretch is part of the serde's name, because rows with another length would not be found. A
 * join with a changed window is therefore refused (STATE_MISMATCH).
 */
export function bucketKeySerde<K>(key: Serde<K>, lengthMs: number): Serde<BucketKey<K>> {
  // The rows that one record looks up share a key, which is encoded once for all of them.
  let last: { readonly key: K; readonly bytes: Buffer } | undefined;
  return containing(key, {
    name: `bucket(${key.name},${lengthMs}ms)`,
    encode(row) {
      if (last === undefined || !Object.is(last.key, row.key)) last = { key: row.key, bytes: key.encode(row.key) };
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
