import type { ChunkKey } from '../model/chunk.js';
import { containing } from './containing.js';
import type { Serde } from './serde.js';
import { showBytes } from './show.js';

const ID_BYTES = 4;

/** The bytes of the key, then the number of the chunk (4 bytes, big endian). */
export function chunkKey<K>(key: Serde<K>): Serde<ChunkKey<K>> {
  return containing(key, {
    name: `chunk-of(${key.name})`,
    encode(chunk) {
      const bytes = key.encode(chunk.key);
      const encoded = Buffer.allocUnsafe(bytes.length + ID_BYTES);
      bytes.copy(encoded);
      encoded.writeUInt32BE(chunk.id, bytes.length);
      return encoded;
    },
    decode(encoded) {
      const at = encoded.length - ID_BYTES;
      if (at < 0)
        throw new Error(`cannot decode the key of a chunk: saw ${showBytes(encoded)}, expected at least ${ID_BYTES}`);
      return { key: key.decode(encoded.subarray(0, at)), id: encoded.readUInt32BE(at) };
    },
  });
}
