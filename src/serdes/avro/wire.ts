import { showBytes } from '../show.js';

/**
 * How Confluent's clients mark the schema of some bytes. Format 0: a byte 0, the schema's id (4 bytes, big
 * endian), the value in Avro. Format 1: a byte 1, the schema's GUID (16 bytes), the value. Usually the first
 * two parts are in a header (`__value_schema_id`, `__key_schema_id`), and the value stands alone.
 */
const BY_ID = 0;
const BY_GUID = 1;
export const ID_BYTES = 5;
const GUID_BYTES = 17;

export const headerOf = (side: 'key' | 'value'): string => `__${side}_schema_id`;

export function wirePrefix(id: number): Buffer {
  const prefix = Buffer.alloc(ID_BYTES);
  prefix.writeUInt32BE(id, 1);
  return prefix;
}

/**
 * The schema at the beginning of the bytes, or in a header: an id, or a GUID as text. Throws a plain `Error`.
 */
export function writerOf(bytes: Uint8Array): { readonly writer: number | string; readonly length: number } {
  if (bytes[0] === BY_ID && bytes.length >= ID_BYTES) return { writer: idIn(bytes), length: ID_BYTES };
  if (bytes[0] === BY_GUID && bytes.length >= GUID_BYTES) {
    const hex = Buffer.from(bytes.subarray(1, GUID_BYTES)).toString('hex');
    return { writer: hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'), length: GUID_BYTES };
  }
  throw new Error(
    `cannot decode Avro: saw ${showBytes(bytes)}, expected a byte 0, the id of a schema in 4 bytes, and a value`,
  );
}

const idIn = (bytes: Uint8Array): number =>
  (((bytes[1] as number) << 24) | ((bytes[2] as number) << 16) | ((bytes[3] as number) << 8) | (bytes[4] as number)) >>>
  0;

/** The id of bytes in format 0; −1 for all others. On the hot path. */
export const idOf = (bytes: Uint8Array): number => (bytes[0] === BY_ID && bytes.length >= ID_BYTES ? idIn(bytes) : -1);
