import type { BrokerRecord } from '../port.js';
import { checksum } from './checksum.js';
import { type BatchHead, corrupt, type DecodeContext } from './context.js';
import { ATTRIBUTE, FIELD, LENGTH_PREFIX_BYTES, MAGIC, readInt64 } from './format.js';
import { BatchRecords } from './records.js';

/**
 * Bytes of the batch that begins at `at`; undefined if there are too few bytes for its length or its content.
 * Allocates nothing.
 */
export function completeBatchSize(bytes: Buffer, at = 0): number | undefined {
  if (bytes.length - at < LENGTH_PREFIX_BYTES) return undefined;
  const size = bytes.readInt32BE(at + FIELD.batchLength) + LENGTH_PREFIX_BYTES;
  return size <= bytes.length - at ? size : undefined;
}

/**
 * The last offset of a batch, without validation; -1 if there are too few bytes. Used to plan the next fetch.
 */
export function peekLastOffset(bytes: Buffer): number {
  return bytes.length < FIELD.records
    ? -1
    : readInt64(bytes, FIELD.baseOffset) + bytes.readInt32BE(FIELD.lastOffsetDelta);
}

/**
 * The compression codes of the batches in these bytes, without validation: these codecs must be loaded before
 * decoding.
 */
export function compressionsIn(bytes: Buffer): ReadonlySet<number> {
  const codes = new Set<number>();
  for (let at = 0; ; ) {
    const size = completeBatchSize(bytes, at);
    if (size === undefined || size < FIELD.records) return codes;
    const code = bytes.readInt16BE(at + FIELD.attributes) & ATTRIBUTE.compressionMask;
    if (code !== 0) codes.add(code);
    at += size;
  }
}

/**
 * The head of the batch that begins at `at`, after validation of its magic, lengths and checksum.
 *
 * Cost: one pass over the batch for the checksum. LOG_CORRUPT, with partition and base offset, for a
 * truncated batch, another format, a wrong checksum or impossible numbers.
 */
export function decodeHead(bytes: Buffer, at: number, context: DecodeContext): BatchHead {
  const available = bytes.length - at;
  if (available < FIELD.records) throw corrupt(context, undefined, `${available} bytes`, `at least ${FIELD.records}`);
  const baseOffset = readInt64(bytes, at + FIELD.baseOffset);
  const magic = bytes[at + FIELD.magic] as number;
  if (magic !== MAGIC) throw corrupt(context, baseOffset, `format ${magic}`, `format ${MAGIC}`);
  const size = bytes.readInt32BE(at + FIELD.batchLength) + LENGTH_PREFIX_BYTES;
  if (size < FIELD.records || size > available)
    throw corrupt(context, baseOffset, `a batch of ${size} bytes`, `${FIELD.records} to ${available}`);
  const expected = bytes.readUInt32BE(at + FIELD.checksum);
  const actual = checksum(bytes.subarray(at + FIELD.attributes, at + size));
  if (actual !== expected) throw corrupt(context, baseOffset, `checksum ${hex(actual)}`, hex(expected));

  const attributes = bytes.readInt16BE(at + FIELD.attributes);
  const lastOffset = baseOffset + bytes.readInt32BE(at + FIELD.lastOffsetDelta);
  const baseTimestamp = readInt64(bytes, at + FIELD.baseTimestamp);
  const maxTimestamp = readInt64(bytes, at + FIELD.maxTimestamp);
  const recordCount = bytes.readInt32BE(at + FIELD.recordCount);
  if (recordCount < 0) throw corrupt(context, baseOffset, `${recordCount} records`, 'none or more');
  if (baseOffset < 0 || lastOffset < baseOffset || !Number.isSafeInteger(lastOffset))
    throw corrupt(context, baseOffset, `offsets ${baseOffset} to ${lastOffset}`, 'a range');
  if (!Number.isSafeInteger(baseTimestamp) || !Number.isSafeInteger(maxTimestamp))
    throw corrupt(context, baseOffset, 'timestamps beyond 2^53', 'milliseconds since the epoch');
  return {
    baseOffset,
    lastOffset,
    size,
    attributes,
    compression: attributes & ATTRIBUTE.compressionMask,
    baseTimestamp,
    maxTimestamp,
    producerId: readInt64(bytes, at + FIELD.producerId),
    producerEpoch: bytes.readInt16BE(at + FIELD.producerEpoch),
    baseSequence: bytes.readInt32BE(at + FIELD.baseSequence),
    recordCount,
    transactional: (attributes & ATTRIBUTE.transactional) !== 0,
    control: (attributes & ATTRIBUTE.control) !== 0,
    deleteHorizon: (attributes & ATTRIBUTE.deleteHorizon) !== 0 ? baseTimestamp : undefined,
  };
}

/**
 * Appends all records of a batch from offset `from` on to `into`, in offset order; for small batches. See
 * {@link BatchRecords}. LOG_CORRUPT if any record is corrupt; `into` is then unchanged.
 */
export function decodeRecords(
  bytes: Buffer,
  at: number,
  head: BatchHead,
  context: DecodeContext,
  from: number,
  into: BrokerRecord[],
): void {
  const before = into.length;
  const records = new BatchRecords(bytes, at, head, context, from);
  records.take(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, into);
  if (records.failure === undefined) return;
  into.length = before;
  throw records.failure;
}

const hex = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;
