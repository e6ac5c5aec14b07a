import { messageOf, type StreamsError } from '../../model/errors.js';
import { type HeaderEntry, Headers } from '../../model/headers.js';
import type { BrokerRecord } from '../port.js';
import { type BatchHead, corrupt, type DecodeContext } from './context.js';
import { ATTRIBUTE, FIELD, MIN_RECORD_BYTES } from './format.js';
import { LARGE_BYTES, type Unpacked, UnpackedBatches } from './unpacked.js';
import { VarintReader } from './varint.js';

/** A decoded record. One class, so that all records have the same shape for the optimizer. */
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

/**
 * The records of a batch from some offset on, decoded as they are taken, plus one ahead.
 *
 * Keys and values are views of the batch's bytes. Headers are decoded on first access, and may throw
 * LOG_CORRUPT then. For a batch that decompresses to more than 1 MiB, keys and values are copies. A kept
 * record then does not keep the whole batch in memory, unless it is most of the batch.
 *
 * Cost: one object and two views per record, and one decompression per batch. A second decompression follows
 * if the decompressed bytes had to be dropped meanwhile. LOG_CORRUPT for impossible lengths, counts or
 * offsets. The constructor throws it for the first record. For a later record it is kept as {@link failure},
 * and the records before it can be taken.
 */
export class BatchRecords implements Unpacked {
  /** The next record; undefined if there is none, or if it cannot be decoded. */
  next: BrokerRecord | undefined;
  /** Bytes of {@link next} in the batch. */
  nextBytes = 0;
  failure: StreamsError | undefined;
  readonly #batch: Buffer;
  readonly #head: BatchHead;
  readonly #context: DecodeContext;
  readonly #unpacked: UnpackedBatches;
  readonly #appendTime: number | undefined;
  #reader: VarintReader | undefined;
  /** The start of the next record to decode. */
  #at = 0;
  #end = 0;
  #index = 0;
  #last: number;

  constructor(
    bytes: Buffer,
    at: number,
    head: BatchHead,
    context: DecodeContext,
    from: number,
    unpacked = new UnpackedBatches(),
  ) {
    this.#batch = bytes.subarray(at + FIELD.records, at + head.size);
    this.#head = head;
    this.#context = context;
    this.#unpacked = unpacked;
    this.#appendTime = (head.attributes & ATTRIBUTE.logAppendTime) !== 0 ? head.maxTimestamp : undefined;
    this.#last = head.baseOffset - 1;
    try {
      const { end } = this.#open();
      if (head.recordCount > end / MIN_RECORD_BYTES)
        throw corrupt(context, head.baseOffset, `${head.recordCount} records in ${end} bytes`, 'fewer');
      this.#advance(from);
    } finally {
      if (this.next === undefined) this.release();
    }
  }

  /**
   * Adds up to `max` records to `into`: at least one, if there is one, and no further ones once they reach
   * `maxBytes`. Returns their bytes.
   */
  take(max: number, maxBytes: number, into: BrokerRecord[]): number {
    let bytes = 0;
    if (this.#reader !== undefined && this.#head.compression !== 0) this.#unpacked.hold(this, this.#end);
    try {
      for (let i = 0; i < max && this.next !== undefined && (i === 0 || bytes < maxBytes); i++) {
        into.push(this.next);
        bytes += this.nextBytes;
        this.#advance(0);
      }
    } catch (error) {
      this.next = undefined;
      this.failure = error as StreamsError;
    }
    if (this.next === undefined) this.release();
    return bytes;
  }

  /** Releases the decompressed bytes, so that other batches can use the memory. */
  release(): void {
    this.#unpacked.release(this);
    this.drop();
  }

  drop(): void {
    this.#reader = undefined;
  }

  #open(): VarintReader {
    const { compression } = this.#head;
    const source = compression === 0 ? this.#batch : this.#unpack(compression);
    this.#reader = new VarintReader(source, this.#at, source.length);
    this.#end = source.length;
    if (compression !== 0) this.#unpacked.hold(this, source.length);
    return this.#reader;
  }

  #unpack(compression: number): Buffer {
    const head = this.#head;
    const context = this.#context;
    if (!context.decompress) throw corrupt(context, head.baseOffset, `compression ${compression}`, 'none');
    try {
      return context.decompress(compression, this.#batch);
    } catch (error) {
      const saw = `${this.#batch.length} compressed bytes that do not unpack: ${messageOf(error)}`;
      throw corrupt(context, head.baseOffset, saw, `compression ${compression} of ${head.recordCount} records`);
    }
  }

  /** Decodes records up to the next one at or after that offset. */
  #advance(from: number): void {
    const head = this.#head;
    const context = this.#context;
    this.next = undefined;
    const reader = this.#reader ?? this.#open();
    const { bytes } = reader;
    const end = this.#end;
    while (this.#index < head.recordCount) {
      const start = reader.at;
      const length = reader.next();
      const recordEnd = reader.at + length;
      if (!(length >= MIN_RECORD_BYTES - 1 && recordEnd <= end))
        throw corrupt(context, this.#last + 1, `a record of ${length} bytes`, `at most ${end - reader.at}`);
      // Every length inside the record is checked against the record's own end, so that a wrong one cannot
      // reach into the next record.
      reader.end = recordEnd;
      reader.at++;
      const created = head.baseTimestamp + reader.next();
      const timestamp = this.#appendTime ?? created;
      const offset = head.baseOffset + reader.next();
      if (!(offset > this.#last && offset <= head.lastOffset))
        throw corrupt(context, this.#last + 1, `offset ${offset}`, `${this.#last + 1} to ${head.lastOffset}`);
      if (!Number.isSafeInteger(timestamp))
        throw corrupt(context, offset, `timestamp ${timestamp}`, 'milliseconds since the epoch');
      this.#last = offset;
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
      reader.at = recordEnd;
      reader.end = end;
      this.#at = recordEnd;
      this.#index++;
      if (this.#index === head.recordCount && recordEnd !== end)
        throw corrupt(context, offset, `${end - recordEnd} bytes after the last record`, 'none');
      if (offset < from) continue;
      let own = bytes;
      let moved = 0;
      if (head.compression !== 0 && end > LARGE_BYTES && 2 * (recordEnd - start) < end) {
        own = Buffer.from(bytes.subarray(keyAt, recordEnd));
        moved = keyAt;
      }
      this.nextBytes = recordEnd - start;
      this.next = new LogRecord(
        context.topic,
        context.partition,
        offset,
        timestamp,
        keyLength < 0 ? null : own.subarray(keyAt - moved, keyAt - moved + keyLength),
        valueLength < 0 ? null : own.subarray(valueAt - moved, valueAt - moved + valueLength),
        headerCount === 0
          ? Headers.none
          : lazyHeaders(own, headersAt - moved, recordEnd - moved, headerCount, context, offset),
      );
      return;
    }
    if (head.recordCount === 0 && end !== 0)
      throw corrupt(context, this.#last, `${end} bytes after the last record`, 'none');
  }
}

/** A separate function, so that the closure does not keep the decoder's other variables alive. */
function lazyHeaders(
  bytes: Buffer,
  at: number,
  end: number,
  count: number,
  context: DecodeContext,
  offset: number,
): Headers {
  return new Headers(() => decodeHeaders(new VarintReader(bytes, at, end), count, context, offset), end - at);
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
