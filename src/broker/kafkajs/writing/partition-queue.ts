import { show } from '../../../model/text/show.js';
import type { Codec } from '../../compression/codec.js';
import { unpack } from '../../compression/codecs.js';
import type { BrokerRecord, ProducerRecord } from '../../port.js';
import { checksum } from '../../record-batch/checksum.js';
import { decodeHead, decodeRecords } from '../../record-batch/decoder.js';
import { RecordBatchEncoder } from '../../record-batch/encoder.js';
import { ATTRIBUTE, FIELD, writeInt64 } from '../../record-batch/format.js';
import type { ProducerIdentity } from '../wire/requests-records.js';

/** The most that a record takes in addition to key, value and headers. */
const RECORD_HEAD_BYTES = 40;

/** How much of a key is shown in a message. */
const SHOWN_CHARACTERS = 100;

/** How records are grouped into batches. */
export interface Batching {
  /** A batch is full when the next record would make it larger than this, before compression. */
  readonly batchBytes: number;
  readonly codec?: Codec | undefined;
}

export interface QueuedBatch {
  readonly bytes: Buffer;
  /** Zero-based sequence, per partition, of the batch's first record among all that the writer was given. */
  readonly from: number;
  readonly count: number;
  /** The `origin` of each record, by its index in the batch; undefined if none has one. */
  readonly origins: readonly unknown[] | undefined;
  /**
   * The batch has its sequence number, and the broker may have written it: it can only be sent again
   * unchanged.
   */
  stamped: boolean;
  /** When the batch was first sent, on the monotonic clock. */
  sentAt: number | undefined;
}

/** The records to write to one partition, in order. At most one batch is being sent at a time. */
export class PartitionQueue {
  readonly batches: QueuedBatch[] = [];
  sending = false;
  acknowledged: number | undefined;
  /** Records that are or were in a batch. */
  #completed = 0;
  #sequence = 0;
  readonly #encoder = new RecordBatchEncoder();
  #origins: unknown[] | undefined;

  constructor(
    readonly topic: string,
    readonly partition: number,
    readonly batching: Batching,
  ) {}

  /** Bytes that are not in a batch yet. */
  get openBytes(): number {
    return this.#encoder.count === 0 ? 0 : this.#encoder.size;
  }

  /**
   * Completes the batch if the record does not fit into it. Returns the bytes of the completed batch, or 0.
   */
  makeRoom({ key, value }: ProducerRecord): number {
    const length = (key?.length ?? 0) + (value?.length ?? 0) + RECORD_HEAD_BYTES;
    return this.#encoder.size + length > this.batching.batchBytes ? this.complete() : 0;
  }

  /** Copies the record. PRODUCE_FAILED for an invalid timestamp: such a record leaves no trace. */
  add({ key, value, timestamp, headers, origin }: ProducerRecord): void {
    this.#encoder.add(key, value, timestamp, headers);
    if (origin === undefined) return;
    this.#origins ??= [];
    this.#origins[this.#encoder.count - 1] = origin;
  }

  /** Makes a batch of the records that are not in one yet. Returns its bytes. */
  complete(): number {
    const { count } = this.#encoder;
    if (count === 0) return 0;
    const bytes = finish(this.#encoder, this.batching);
    const origins = this.#origins;
    this.#origins = undefined;
    this.batches.push({ bytes, from: this.#completed, count, origins, stamped: false, sentAt: undefined });
    this.#completed += count;
    return bytes.length;
  }

  /** The first batch, stamped with the producer's id, epoch and sequence number. */
  stamp({ id, epoch }: ProducerIdentity, transactional: boolean): QueuedBatch {
    const batch = this.batches[0] as QueuedBatch;
    if (batch.stamped) return batch;
    const { bytes } = batch;
    const compression = bytes.readInt16BE(FIELD.attributes) & ATTRIBUTE.compressionMask;
    bytes.writeInt16BE(compression | (transactional ? ATTRIBUTE.transactional : 0), FIELD.attributes);
    writeInt64(bytes, id, FIELD.producerId);
    bytes.writeInt16BE(epoch, FIELD.producerEpoch);
    bytes.writeInt32BE(this.#sequence, FIELD.baseSequence);
    bytes.writeUInt32BE(checksum(bytes.subarray(FIELD.attributes)), FIELD.checksum);
    batch.stamped = true;
    return batch;
  }

  /** Removes the first batch, which is in the log. */
  taken(baseOffset: number): QueuedBatch {
    const batch = this.batches.shift() as QueuedBatch;
    if (baseOffset >= 0) this.acknowledged = baseOffset + batch.count;
    // The sequence continues at 0 after the highest 32-bit number.
    this.#sequence = (this.#sequence + batch.count) % 2 ** 31;
    return batch;
  }

  /** Removes the first batch, which is not in the log and will not be sent again. */
  refused(): QueuedBatch {
    return this.batches.shift() as QueuedBatch;
  }

  /** The key of a record of the first batch, as text for messages. */
  keyAt(index: number): string {
    const key = this.#first()[index]?.key;
    return key ? show(key.toString('utf8').slice(0, SHOWN_CHARACTERS)) : 'none';
  }

  /** Splits the first batch, which the broker found too large, into two. False for a single record. */
  split(): boolean {
    const [batch] = this.batches;
    if (!batch || batch.count < 2) return false;
    const records = this.#first();
    const middle = records.length >> 1;
    this.batches.splice(
      0,
      1,
      this.#part(batch, records, 0, middle),
      this.#part(batch, records, middle, records.length),
    );
    return true;
  }

  /**
   * Removes the records at these indexes (ascending) from the first batch. The records before, between and
   * after them become batches.
   */
  leaveOut(places: readonly number[]): void {
    const batch = this.batches[0] as QueuedBatch;
    const records = this.#first();
    const parts: QueuedBatch[] = [];
    let from = 0;
    for (const place of [...places, records.length]) {
      if (place > from) parts.push(this.#part(batch, records, from, place));
      from = place + 1;
    }
    this.batches.splice(0, 1, ...parts);
  }

  #part(batch: QueuedBatch, records: readonly BrokerRecord[], from: number, to: number): QueuedBatch {
    const encoder = new RecordBatchEncoder();
    for (const { key, value, timestamp, headers } of records.slice(from, to))
      encoder.add(key, value, timestamp, headers);
    return {
      bytes: finish(encoder, this.batching),
      from: batch.from + from,
      count: to - from,
      origins: batch.origins?.slice(from, to),
      stamped: false,
      sentAt: undefined,
    };
  }

  /** The records of the first batch. */
  #first(): readonly BrokerRecord[] {
    const { bytes } = this.batches[0] as QueuedBatch;
    const context = { topic: this.topic, partition: this.partition, decompress: unpack };
    const records: BrokerRecord[] = [];
    decodeRecords(bytes, 0, decodeHead(bytes, 0, context), context, 0, records);
    return records;
  }

  /** A new producer id or epoch: sequences start at 0. */
  restart(): void {
    this.#sequence = 0;
    for (const batch of this.batches) batch.stamped = false;
  }

  /** Discards what has not been sent. True if one of its batches may already be in the log. */
  clear(): boolean {
    this.#completed += this.#encoder.count;
    this.#encoder.clear();
    this.#origins = undefined;
    return this.batches.splice(0).some(({ stamped }) => stamped);
  }
}

const finish = (encoder: RecordBatchEncoder, { codec }: Batching): Buffer =>
  encoder.finish(codec === undefined ? {} : { codec });
