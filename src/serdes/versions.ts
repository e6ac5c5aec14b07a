import type { Version, VersionChunk, VersionList } from '../model/versions.js';
import { checkedBefore } from './check.js';
import { containing } from './containing.js';
import type { Serde } from './serde.js';

const FORMAT = 1;
const HEAD_BYTES = 1 + 8 + 4 + 4 + 4;
const CHUNK_BYTES = 4 + 8 + 4;
const VERSION_BYTES = 8 + 4;

/**
 * A version that was read from bytes. Most are only written back, so the value is decoded on first access.
 */
class WrittenVersion<V> implements Version<V> {
  readonly #serde: Serde<V>;
  #value: V | null | undefined;

  constructor(
    readonly from: number,
    readonly bytes: Buffer | null,
    serde: Serde<V>,
  ) {
    this.#serde = serde;
  }

  get value(): V | null {
    if (this.#value === undefined) this.#value = this.bytes === null ? null : this.#serde.decode(this.bytes);
    return this.#value;
  }
}

/** The encoded value of a version; encoded at most once. */
export function versionBytes<V>(version: Version<V>, serde: Serde<V>): Buffer | null {
  if (version.bytes === undefined) version.bytes = version.value === null ? null : serde.encode(version.value);
  return version.bytes;
}

/**
 * A list of versions, format 1 (integers and doubles big endian):
 *
 * | bytes | what |
 * |---|---|
 * | 1 | format |
 * | 8 | since when the row is deleted, double; NaN: it is not |
 * | 4, 4, 4 | number of the next chunk; how many chunks; how many versions |
 * | 4, 8, 4 | for each chunk: its number, when it begins (double), how many versions it has |
 * | 8, 4 + n | for each version: when it begins (double), its value; length −1: null |
 */
export function versionList<V>(value: Serde<V>): Serde<VersionList<V>> {
  return containing(value, {
    name: `versions-${FORMAT}(${value.name})`,
    check: checkedBefore,
    encode({ deletedAt, nextId, chunks, versions }) {
      const values = versions.map((version) => versionBytes(version, value));
      const valueBytes = values.reduce((sum, bytes) => sum + VERSION_BYTES + (bytes?.length ?? 0), 0);
      const encoded = Buffer.allocUnsafe(HEAD_BYTES + chunks.length * CHUNK_BYTES + valueBytes);
      let at = encoded.writeUInt8(FORMAT, 0);
      at = encoded.writeDoubleBE(deletedAt ?? Number.NaN, at);
      at = encoded.writeUInt32BE(nextId, at);
      at = encoded.writeUInt32BE(chunks.length, at);
      at = encoded.writeUInt32BE(versions.length, at);
      for (const chunk of chunks) {
        at = encoded.writeUInt32BE(chunk.id, at);
        at = encoded.writeDoubleBE(chunk.first, at);
        at = encoded.writeUInt32BE(chunk.count, at);
      }
      for (let i = 0; i < versions.length; i++) {
        const bytes = values[i] ?? null;
        at = encoded.writeDoubleBE((versions[i] as { from: number }).from, at);
        at = encoded.writeInt32BE(bytes === null ? -1 : bytes.length, at);
        if (bytes !== null) at += bytes.copy(encoded, at);
      }
      return encoded;
    },
    decode(encoded) {
      if (encoded[0] !== FORMAT)
        throw new Error(`cannot decode versions: saw format ${encoded[0]}, expected format ${FORMAT}`);
      const deletedAt = encoded.readDoubleBE(1);
      const nextId = encoded.readUInt32BE(9);
      const chunks: VersionChunk[] = new Array(encoded.readUInt32BE(13));
      const versions: VersionList<V>['versions'] = new Array(encoded.readUInt32BE(17));
      let at = HEAD_BYTES;
      for (let i = 0; i < chunks.length; i++, at += CHUNK_BYTES) {
        chunks[i] = {
          id: encoded.readUInt32BE(at),
          first: encoded.readDoubleBE(at + 4),
          count: encoded.readUInt32BE(at + 12),
        };
      }
      for (let i = 0; i < versions.length; i++) {
        const from = encoded.readDoubleBE(at);
        const length = encoded.readInt32BE(at + 8);
        at += VERSION_BYTES;
        const bytes = length < 0 ? null : encoded.subarray(at, at + length);
        // The value is decoded later, in the middle of other work: everything it needs must be ready now.
        if (bytes !== null) value.ready?.(bytes);
        versions[i] = new WrittenVersion(from, bytes, value);
        if (length > 0) at += length;
      }
      return { deletedAt: Number.isNaN(deletedAt) ? null : deletedAt, nextId, chunks, versions };
    },
  });
}
