/**
 * The layout of a task's database, format 1. Every key begins with three bytes: the number of its store (2,
 * big endian; 0 is the task itself) and the kind of entry.
 *
 * | kind | key after the prefix | value |
 * |---|---|---|
 * | 0 rows | the row's key | timestamp (8, double, big endian), value |
 * | 1 expiry | sequence (6, big endian) | highest timestamp (8), then for each key: length (4), key |
 * | 0 of store 0 | `checkpoint` | JSON, see checkpoint.ts |
 *
 * A row may be split into pages, which are rows as well: see page-format.ts.
 *
 * The changelog holds the same rows in plain form: the row's key, its value, and its timestamp as the
 * record's timestamp. Expiry entries are created again from the rows.
 */
export const KIND = { rows: 0, expiry: 1 } as const;

export const PREFIX_BYTES = 3;
export const TIMESTAMP_BYTES = 8;

export function prefixOf(storeId: number, kind: number): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt16BE(storeId, 0);
  prefix[2] = kind;
  return prefix;
}

/** Prefix and key in one buffer; `subarray(PREFIX_BYTES)` is the key. */
export function prefixed(prefix: Buffer, key: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + key.length);
  bytes[0] = prefix[0] as number;
  bytes[1] = prefix[1] as number;
  bytes[2] = prefix[2] as number;
  key.copy(bytes, PREFIX_BYTES);
  return bytes;
}

/** Timestamp and value in one buffer; `subarray(TIMESTAMP_BYTES)` is the value. */
export function stamped(timestamp: number, value: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(TIMESTAMP_BYTES + value.length);
  bytes.writeDoubleBE(timestamp, 0);
  value.copy(bytes, TIMESTAMP_BYTES);
  return bytes;
}

export function sequenceKey(prefix: Buffer, sequence: number): Buffer {
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + 6);
  prefix.copy(bytes);
  bytes.writeUIntBE(sequence, PREFIX_BYTES, 6);
  return bytes;
}

/** The first key after all keys with this prefix. */
export function after(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  for (let i = end.length - 1; i >= 0; i--) {
    if ((end[i] as number) < 255) {
      end[i] = (end[i] as number) + 1;
      return end.subarray(0, i + 1);
    }
  }
  return Buffer.alloc(end.length + 1, 255);
}
