import type { Headers } from '../../model/headers.js';
import { checkedBefore } from '../../serdes/check.js';
import { containing } from '../../serdes/containing.js';
import type { Serde } from '../../serdes/serde.js';
import type { StoreSpec } from '../../state/contract.js';
import { type Due, dueStore } from '../buffers/due-queue.js';
import { ByteReader, readHeaders, written } from '../common/bytes.js';

/**
 * Identifies a waiting record among those of one side and due time. They are joined with null in the order of
 * their keys, then of arrival.
 */
export interface UnmatchedKey<K> {
  readonly key: K;
  /** Its index in the buffer, among the records of its key and stretch of time. */
  readonly ordinal: number;
}

/** A record that waits for a partner. It is stored here too, because the buffer may remove it first. */
export interface UnmatchedRecord<V> {
  readonly value: V;
  readonly headers: Headers;
}

/** The store of the waiting records of one side, in the order in which they are due. */
export function waitingStore<K, V>(
  name: string,
  key: Serde<K>,
  value: Serde<V>,
): StoreSpec<Due<UnmatchedKey<K>>, UnmatchedRecord<V>> {
  return dueStore(name, waitingKeySerde(key), waitingSerde(value));
}

const ORDINAL_BYTES = 4;

/**
 * The bytes of the key with each 0 followed by 255, two 0, the ordinal (4 bytes, big endian). They sort like
 * the bytes of the keys, even if one key begins with another.
 */
export function waitingKeySerde<K>(serde: Serde<K>): Serde<UnmatchedKey<K>> {
  return containing(serde, {
    name: `waiting-key(${serde.name})`,
    encode({ key, ordinal }) {
      const bytes = escaped(serde.encode(key));
      const encoded = Buffer.allocUnsafe(bytes.length + 2 + ORDINAL_BYTES);
      bytes.copy(encoded);
      encoded.writeUInt16BE(0, bytes.length);
      encoded.writeUInt32BE(ordinal, bytes.length + 2);
      return encoded;
    },
    decode(encoded) {
      const end = encoded.length - 2 - ORDINAL_BYTES;
      if (end < 0)
        throw new Error(`saw the key of a record that waits of ${encoded.length} bytes, expected at least 6`);
      return { key: serde.decode(unescaped(encoded.subarray(0, end))), ordinal: encoded.readUInt32BE(end + 2) };
    },
  });
}

function escaped(bytes: Buffer): Buffer {
  if (!bytes.includes(0)) return bytes;
  const parts: number[] = [];
  for (const byte of bytes) {
    parts.push(byte);
    if (byte === 0) parts.push(255);
  }
  return Buffer.from(parts);
}

function unescaped(bytes: Buffer): Buffer {
  if (!bytes.includes(0)) return bytes;
  return Buffer.from(bytes.filter((_, i) => i === 0 || bytes[i - 1] !== 0));
}

const FORMAT = 1;

/**
 * Format 1: 1 byte format; 4 the number of headers, for each its name as text and its value (4 + n, length
 * −1: null); then the value (4 + n). Integers big endian.
 */
function waitingSerde<V>(serde: Serde<V>): Serde<UnmatchedRecord<V>> {
  return containing(serde, {
    name: `waiting-${FORMAT}(${serde.name})`,
    check: checkedBefore,
    encode: ({ value, headers }) =>
      written((row) => {
        row.byte(FORMAT);
        row.headers(headers);
        row.bytes(serde.encode(value));
      }),
    decode(bytes) {
      const reader = new ByteReader(bytes, 'a record that waits');
      const format = reader.byte();
      if (format !== FORMAT) throw new Error(`saw a record that waits in format ${format}, expected ${FORMAT}`);
      const headers = readHeaders(reader);
      return { value: serde.decode(reader.bytes() ?? Buffer.alloc(0)), headers };
    },
  });
}
