/**
 * Kafka's record batch, format 2 (the magic byte is its version). All numbers are big endian:
 *
 * | at | bytes | field |
 * |---|---|---|
 * | 0 | 8 | base offset: offset of the first record (not covered by the checksum, so that the log can assign it) |
 * | 8 | 4 | batch length: bytes that follow this field |
 * | 12 | 4 | partition leader epoch |
 * | 16 | 1 | magic = 2 |
 * | 17 | 4 | CRC-32C of everything from attributes to the end |
 * | 21 | 2 | attributes: bits 0-2 compression, 3 log append time, 4 transactional, 5 control, 6 has delete horizon |
 * | 23 | 4 | last offset delta |
 * | 27 | 8 | base timestamp; the delete horizon if bit 6 is set (deltas count from it even then) |
 * | 35 | 8 | max timestamp |
 * | 43 | 8 | producer id, -1 for none |
 * | 51 | 2 | producer epoch, -1 for none |
 * | 53 | 4 | base sequence, -1 for none |
 * | 57 | 4 | number of records |
 * | 61 | | records |
 *
 * A record consists of these fields, with zigzag varints:
 *
 * 1. length, attributes (1 byte), timestamp delta, offset delta
 * 2. key length (-1: null), key, value length (-1: null), value
 * 3. number of headers, and for each header: name length, name, value length (-1: null), value
 */
export const FIELD = {
  baseOffset: 0,
  batchLength: 8,
  leaderEpoch: 12,
  magic: 16,
  checksum: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
  records: 61,
} as const;

export const MAGIC = 2;

/** Base offset and batch length: the bytes that are needed to compute a batch's size. */
export const LENGTH_PREFIX_BYTES = 12;

export const ATTRIBUTE = {
  compressionMask: 0x07,
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
  deleteHorizon: 0x40,
} as const;

/**
 * The minimum size of a record: seven fields of one byte each. A count that is too high for the bytes is
 * refused before anything is allocated.
 */
export const MIN_RECORD_BYTES = 7;

const HIGH = 0x1_0000_0000;

/** Writes a safe integer as a signed 64-bit number. */
export function writeInt64(bytes: Buffer, value: number, at: number): void {
  bytes.writeInt32BE(Math.floor(value / HIGH), at);
  bytes.writeUInt32BE(((value % HIGH) + HIGH) % HIGH, at + 4);
}

/** Reads a signed 64-bit number; the result is not a safe integer beyond 2^53. */
export function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * HIGH + bytes.readUInt32BE(at + 4);
}
