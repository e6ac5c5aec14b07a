import { messageOf, StreamsError } from '../../model/errors.js';
import { type HeaderEntry, Headers } from '../../model/headers.js';
import type { BrokerRecord } from '../port.js';
import { checksum } from './checksum.js';
import { ATTRIBUTE, FIELD, LENGTH_PREFIX_BYTES, MAGIC, MIN_RECORD_BYTES, readInt64 } from './format.js';
import { VarintReader } from './varint.js';

/** The head of a batch. */
export interface BatchHead {
  readonly baseOffset: number;
  /** Last offset the batch covers, whether or not that record is still there. */
  readonly lastOffset: number;
  /** Bytes of the whole batch: the next one begins after them. */
  readonly size: number;
  readonly attributes: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
  readonly transactional: boolean;
  /** Transaction markers: their records are not for users. */
  readonly control: boolean;
  /** When tombstones may be dropped; undefined if no cleaner has set it. */
  readonly deleteHorizon: number | undefined;
}

/** What the records belong to: for the records themselves and for error messages. */
export interface DecodeContext {
  readonly topic: string;
  readonly partition: number;
  /** Unpacks a compressed batch: the records' bytes by compression code (1 gzip, 2 snappy, 3 lz4, 4 zstd). Without it, compression is refused. What it throws is LOG_CORRUPT. */
  readonly decompress?: (compression: number, bytes: Buffer) => Buffer;
}

/** A record as the decoder makes it. One class, so that every record has the same shape for the optimiser. */
class LogRecord implements BrokerRecord {
  constructor(
    readonly topic: string,
    readonly partition: number,
    readonly offset: number,
    readonly timestamp: number,
    readonly key: Buffer | null,
    readonly value: Buffer | null,
    readonly headers: Headers,
  ) {}
}

/** Bytes of the batch that begins at `at`; undefined while too few bytes are there to know, or to hold it. Allocates nothing. */
export function completeBatchSize(bytes: Buffer, at = 0): number | undefined {
  if (bytes.length - at < LENGTH_PREFIX_BYTES) return undefined;
  const size = bytes.readInt32BE(at + FIELD.batchLength) + LENGTH_PREFIX_BYTES;
  return size <= bytes.length - at ? size : undefined;
}

/** Last offset of a batch, without verifying anything; -1 if there are too few bytes. For planning the next fetch. */
export function peekLastOffset(bytes: Buffer): number {
  return bytes.length < FIELD.records
    ? -1
    : readInt64(bytes, FIELD.baseOffset) + bytes.readInt32BE(FIELD.lastOffsetDelta);
}

/** The compression codes of the batches in these bytes, without verifying anything: what has to be loaded before they can be decoded. */
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
 * The head of the batch that begins at `at`, after its magic, lengths and checksum are verified.
 *
 * Cost: one pass over the batch for the checksum. LOG_CORRUPT (naming partition and base offset) for anything truncated, of another
 * format, of a wrong checksum or with impossible numbers.
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
 * The records of a batch from offset `from` on, in offset order, appended to `into`.
 *
 * Keys and values are views on `bytes`; headers are decoded when first touched (and may throw LOG_CORRUPT then). Cost: one object and two
 * views per record. LOG_CORRUPT for lengths, counts or offsets that do not fit; `into` is then as it was.
 */
export function decodeRecords(
  bytes: Buffer,
  at: number,
  head: BatchHead,
  context: DecodeContext,
  from: number,
  into: BrokerRecord[],
): void {
  const compression = head.attributes & ATTRIBUTE.compressionMask;
  let source = bytes;
  let start = at + FIELD.records;
  let end = at + head.size;
  if (compression !== 0) {
    source = unpacked(bytes.subarray(start, end), compression, head, context);
    start = 0;
    end = source.length;
  }
  if (head.recordCount > (end - start) / MIN_RECORD_BYTES)
    throw corrupt(context, head.baseOffset, `${head.recordCount} records in ${end - start} bytes`, 'fewer');
  const before = into.length;
  try {
    decodeEach(new VarintReader(source, start, end), head, context, from, into);
  } catch (error) {
    into.length = before;
    throw error;
  }
}

function unpacked(bytes: Buffer, compression: number, head: BatchHead, context: DecodeContext): Buffer {
  if (!context.decompress) throw corrupt(context, head.baseOffset, `compression ${compression}`, 'none');
  try {
    return context.decompress(compression, bytes);
  } catch (error) {
    const saw = `${bytes.length} compressed bytes that do not unpack: ${messageOf(error)}`;
    throw corrupt(context, head.baseOffset, saw, `compression ${compression} of ${head.recordCount} records`);
  }
}

function decodeEach(
  reader: VarintReader,
  head: BatchHead,
  context: DecodeContext,
  from: number,
  into: BrokerRecord[],
): void {
  const { topic, partition } = context;
  const { baseOffset, baseTimestamp } = head;
  const appendTime = (head.attributes & ATTRIBUTE.logAppendTime) !== 0 ? head.maxTimestamp : undefined;
  const { bytes, end } = reader;
  let last = baseOffset - 1;
  for (let i = 0; i < head.recordCount; i++) {
    const length = reader.next();
    const recordEnd = reader.at + length;
    if (!(length >= MIN_RECORD_BYTES - 1 && recordEnd <= end))
      throw corrupt(context, last + 1, `a record of ${length} bytes`, `at most ${end - reader.at}`);
    // Every length inside the record is checked against the record's own end, so that a wrong one cannot read its neighbour.
    reader.end = recordEnd;
    reader.at++;
    const created = baseTimestamp + reader.next();
    const timestamp = appendTime ?? created;
    const offset = baseOffset + reader.next();
    if (!(offset > last && offset <= head.lastOffset))
      throw corrupt(context, last + 1, `offset ${offset}`, `${last + 1} to ${head.lastOffset}`);
    if (!Number.isSafeInteger(timestamp))
      throw corrupt(context, offset, `timestamp ${timestamp}`, 'milliseconds since the epoch');
    last = offset;
    const keyLength = reader.next();
    const keyAt = reader.at;
    if (!(keyLength >= -1 && keyAt + keyLength <= recordEnd))
      throw corrupt(context, offset, `a key of ${keyLength} bytes`, `at most ${recordEnd - keyAt}`);
    if (keyLength > 0) reader.at += keyLength;
    const valueLength = reader.next();
    const valueAt = reader.at;
    if (!(valueLength >= -1 && valueAt + valueLength <= recordEnd))
      throw corrupt(context, offset, `a value of ${valueLength} bytes`, `at most ${recordEnd - valueAt}`);
    if (valueLength > 0) reader.at += valueLength;
    const headerCount = reader.next();
    const headersAt = reader.at;
    if (!(headerCount >= 0 && headerCount <= (recordEnd - headersAt) / 2))
      throw corrupt(context, offset, `${headerCount} headers`, `at most ${(recordEnd - headersAt) >> 1}`);
    if (offset >= from) {
      into.push(
        new LogRecord(
          topic,
          partition,
          offset,
          timestamp,
          keyLength < 0 ? null : bytes.subarray(keyAt, keyAt + keyLength),
          valueLength < 0 ? null : bytes.subarray(valueAt, valueAt + valueLength),
          headerCount === 0 ? Headers.none : lazyHeaders(bytes, headersAt, recordEnd, headerCount, context, offset),
        ),
      );
    }
    reader.at = recordEnd;
    reader.end = end;
  }
  if (reader.at !== end) throw corrupt(context, last, `${end - reader.at} bytes after the last record`, 'none');
}

/** A function of its own, so that the closure does not keep the decoder's other variables alive. */
function lazyHeaders(
  bytes: Buffer,
  at: number,
  end: number,
  count: number,
  context: DecodeContext,
  offset: number,
): Headers {
  return new Headers(() => decodeHeaders(new VarintReader(bytes, at, end), count, context, offset));
}

function decodeHeaders(
  reader: VarintReader,
  count: number,
  context: DecodeContext,
  offset: number,
): readonly HeaderEntry[] {
  const entries: HeaderEntry[] = [];
  for (let i = 0; i < count; i++) {
    const nameLength = reader.next();
    const nameAt = reader.at;
    if (!(nameLength >= 0 && nameAt + nameLength <= reader.end))
      throw corrupt(context, offset, `a header name of ${nameLength} bytes`, `at most ${reader.end - nameAt}`);
    reader.at += nameLength;
    const name = reader.bytes.toString('utf8', nameAt, nameAt + nameLength);
    const valueLength = reader.next();
    const valueAt = reader.at;
    if (!(valueLength >= -1 && valueAt + valueLength <= reader.end))
      throw corrupt(context, offset, `a header value of ${valueLength} bytes`, `at most ${reader.end - valueAt}`);
    if (valueLength > 0) reader.at += valueLength;
    entries.push([name, valueLength < 0 ? null : reader.bytes.subarray(valueAt, valueAt + valueLength)]);
  }
  return entries;
}

export function corrupt(
  context: DecodeContext,
  offset: number | undefined,
  saw: string,
  expected: string,
): StreamsError {
  return new StreamsError('LOG_CORRUPT', {
    what: 'cannot decode a record batch',
    at: `${context.topic}[${context.partition}]${offset === undefined ? '' : `@${offset}`}`,
    saw,
    expected,
    action: 'The bytes are not what was written: restore the log from a copy, or seek past this offset.',
  });
}

const hex = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;
