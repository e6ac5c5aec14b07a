import { StreamsError } from '../../model/errors.js';
import { Headers } from '../../model/headers.js';
import { LAST_MOMENT } from '../../model/record.js';
import { COMPRESSIONS, type Codec } from '../compression/codec.js';
import { giveBack, takeBuffer } from './buffers.js';
import { checksum } from './checksum.js';
import { ATTRIBUTE, FIELD, LENGTH_PREFIX_BYTES, MAGIC, writeInt64 } from './format.js';
import { varintSize, writeVarint } from './varint.js';

/** The fields of a batch other than its records. Every default means "none". */
export interface BatchOptions {
  readonly baseOffset?: number;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly transactional?: boolean;
  /** When a log cleaner may drop the tombstones of this batch, in milliseconds since the epoch. */
  readonly deleteHorizon?: number;
  /**
   * Offsets that the batch covers past its last record, if compaction removed the end of the batch. Default:
   * the last record's.
   */
  readonly lastOffsetDelta?: number;
  /** Compresses the records, unless that makes them larger. */
  readonly codec?: Codec;
}

const NO_BYTES = Buffer.alloc(0);

/** Below this many bytes, a copy loop is faster than the engine's `set`. */
const LOOP_COPY_BYTES = 24;

/**
 * Encodes records of one partition into a record batch (see `format.ts`), in a growing buffer.
 *
 * Order: the order of `add`. Cost: one copy of each record's bytes, and another while the batch grows; no
 * allocation per record. Memory: at most twice the unfinished batch, and none without one, because all
 * encoders share their buffers (see `buffers.ts`). The caller decides by {@link size} when to finish the
 * batch, and must end with `finish` or `clear`. Throws PRODUCE_FAILED for a timestamp that is neither -1
 * (none) nor a whole number up to {@link LAST_MOMENT}; such a record leaves no trace.
 */
export class RecordBatchEncoder {
  #bytes: Buffer = NO_BYTES;
  #end: number = FIELD.records;
  #count = 0;
  #lastOffsetDelta = -1;
  #baseTimestamp = 0;
  #maxTimestamp = -1;
  readonly #deleteHorizon: number | undefined;

  /** `deleteHorizon` must be known before the first record, because timestamp deltas count from it. */
  constructor(options: { readonly deleteHorizon?: number } = {}) {
    this.#deleteHorizon = options.deleteHorizon;
  }

  /** Records added since the last `finish`. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of the batch so far, head included. */
  get size(): number {
    return this.#end;
  }

  /** Highest timestamp added since the last `finish`; -1 if there is none. */
  get maxTimestamp(): number {
    return this.#maxTimestamp;
  }

  /**
   * Adds a record. `offsetDelta` counts from the base offset and must increase; by default the record follows
   * the previous one.
   */
  add(
    key: Uint8Array | null,
    value: Uint8Array | null,
    timestamp: number,
    headers: Headers,
    offsetDelta = this.#lastOffsetDelta + 1,
  ): void {
    if (!(timestamp >= -1 && timestamp <= LAST_MOMENT && Number.isInteger(timestamp))) throw badTimestamp(timestamp);
    if (this.#count === 0) this.#baseTimestamp = this.#deleteHorizon ?? timestamp;
    const timestampDelta = timestamp - this.#baseTimestamp;
    const keyLength = key === null ? -1 : key.length;
    const valueLength = value === null ? -1 : value.length;
    const entries = headers === Headers.none ? NO_ENTRIES : headers.entries;

    let length =
      1 +
      varintSize(timestampDelta) +
      varintSize(offsetDelta) +
      varintSize(keyLength) +
      varintSize(valueLength) +
      varintSize(entries.length);
    if (keyLength > 0) length += keyLength;
    if (valueLength > 0) length += valueLength;
    for (const [name, content] of entries) {
      const nameLength = Buffer.byteLength(name);
      length +=
        varintSize(nameLength) +
        nameLength +
        varintSize(content === null ? -1 : content.length) +
        (content === null ? 0 : content.length);
    }

    const bytes = this.#reserve(length + 5);
    let at = writeVarint(bytes, length, this.#end);
    bytes[at++] = 0;
    at = writeVarint(bytes, timestampDelta, at);
    at = writeVarint(bytes, offsetDelta, at);
    at = writeVarint(bytes, keyLength, at);
    if (key !== null) at = copy(bytes, key, at);
    at = writeVarint(bytes, valueLength, at);
    if (value !== null) at = copy(bytes, value, at);
    at = writeVarint(bytes, entries.length, at);
    for (const [name, content] of entries) {
      at = writeVarint(bytes, Buffer.byteLength(name), at);
      at += bytes.write(name, at, 'utf8');
      at = writeVarint(bytes, content === null ? -1 : content.length, at);
      if (content !== null) at = copy(bytes, content, at);
    }
    this.#end = at;
    this.#count++;
    this.#lastOffsetDelta = offsetDelta;
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp;
  }

  /** Returns the batch in a buffer of its own. The encoder is then empty and can be reused. */
  finish(options: BatchOptions = {}): Buffer {
    const packed = options.codec?.pack(this.#bytes.subarray(FIELD.records, this.#end));
    const smaller = packed !== undefined && FIELD.records + packed.length < this.#end ? packed : undefined;
    const size = smaller ? FIELD.records + smaller.length : this.#end;
    const bytes = Buffer.allocUnsafe(size);
    if (smaller) bytes.set(smaller, FIELD.records);
    else if (this.#count > 0) this.#bytes.copy(bytes, FIELD.records, FIELD.records, this.#end);
    writeInt64(bytes, options.baseOffset ?? 0, FIELD.baseOffset);
    bytes.writeInt32BE(size - LENGTH_PREFIX_BYTES, FIELD.batchLength);
    bytes.writeInt32BE(-1, FIELD.leaderEpoch);
    bytes[FIELD.magic] = MAGIC;
    bytes.writeInt16BE(
      (smaller && options.codec ? COMPRESSIONS.indexOf(options.codec.name) : 0) |
        (options.transactional ? ATTRIBUTE.transactional : 0) |
        (this.#deleteHorizon === undefined ? 0 : ATTRIBUTE.deleteHorizon),
      FIELD.attributes,
    );
    bytes.writeInt32BE(options.lastOffsetDelta ?? Math.max(this.#lastOffsetDelta, 0), FIELD.lastOffsetDelta);
    writeInt64(bytes, this.#baseTimestamp, FIELD.baseTimestamp);
    writeInt64(bytes, this.#maxTimestamp, FIELD.maxTimestamp);
    writeInt64(bytes, options.producerId ?? -1, FIELD.producerId);
    bytes.writeInt16BE(options.producerEpoch ?? -1, FIELD.producerEpoch);
    bytes.writeInt32BE(options.baseSequence ?? -1, FIELD.baseSequence);
    bytes.writeInt32BE(this.#count, FIELD.recordCount);
    bytes.writeUInt32BE(checksum(bytes.subarray(FIELD.attributes)), FIELD.checksum);
    this.clear();
    return bytes;
  }

  /** Discards the added records. */
  clear(): void {
    this.#end = FIELD.records;
    this.#count = 0;
    this.#lastOffsetDelta = -1;
    this.#maxTimestamp = -1;
    this.#baseTimestamp = 0;
    if (this.#bytes === NO_BYTES) return;
    giveBack(this.#bytes);
    this.#bytes = NO_BYTES;
  }

  #reserve(length: number): Buffer {
    const needed = this.#end + length;
    if (needed <= this.#bytes.length) return this.#bytes;
    const larger = takeBuffer(needed);
    if (this.#bytes !== NO_BYTES) {
      this.#bytes.copy(larger, FIELD.records, FIELD.records, this.#end);
      giveBack(this.#bytes);
    }
    this.#bytes = larger;
    return larger;
  }
}

const NO_ENTRIES: Headers['entries'] = [];

/**
 * The uncompressed size of a batch with only this record: what a broker compares with `max.message.bytes`.
 */
export function sizeAlone(key: Uint8Array | null, value: Uint8Array | null, headers: Headers): number {
  const sized = (length: number): number => varintSize(length) + Math.max(length, 0);
  let length = 1 + 2 * varintSize(0) + sized(key?.length ?? -1) + sized(value?.length ?? -1);
  length += varintSize(headers.entries.length);
  for (const [name, content] of headers.entries)
    length += sized(Buffer.byteLength(name)) + sized(content?.length ?? -1);
  return FIELD.records + varintSize(length) + length;
}

/** Sets the base offset of a finished batch. The checksum does not cover it. */
export function setBaseOffset(batch: Buffer, baseOffset: number): void {
  writeInt64(batch, baseOffset, FIELD.baseOffset);
}

function copy(target: Buffer, source: Uint8Array, at: number): number {
  const length = source.length;
  if (length < LOOP_COPY_BYTES) for (let i = 0; i < length; i++) target[at + i] = source[i] as number;
  else target.set(source, at);
  return at + length;
}

function badTimestamp(timestamp: number): StreamsError {
  return new StreamsError('PRODUCE_FAILED', {
    what: 'cannot encode a record',
    saw: `timestamp ${timestamp}`,
    expected: `whole milliseconds since the epoch up to ${LAST_MOMENT}, or -1 for none`,
    action: 'Give the record a timestamp such as Date.now().',
  });
}
