import { StreamsError } from '../../model/errors.js';
import type { Clock } from '../../model/ports.js';
import { type ProducerRecord, partitionKey, type TopicPartition, type WriterOptions } from '../port.js';
import { RecordBatchEncoder, sizeAlone } from '../record-batch/encoder.js';
import { unknownLogPartition } from './log.js';
import type { OutgoingBatch, WritableLog, WritablePartition } from './writable-log.js';

/**
 * A batch is closed at this size: about 1,000 records of 100 bytes, so that the log has one entry per
 * thousand records. It is small enough that a reader's look-ahead of a few batches stays below a mebibyte.
 */
const BATCH_BYTES = 128 * 1024;

/** The first record that was not taken, and how many there are in all. */
export class Failures {
  count = 0;
  first: { readonly topic: string; readonly partition: number; readonly cause: unknown } | undefined;

  add(at: { readonly topic: string; readonly partition: number }, count: number, cause: unknown): void {
    this.first ??= { topic: at.topic, partition: at.partition, cause };
    this.count += count;
  }

  /** PRODUCE_FAILED; undefined if everything was taken. */
  error(): StreamsError | undefined {
    return this.first && notTaken(this.first, this.count, this.first.cause);
  }

  clear(): void {
    this.count = 0;
    this.first = undefined;
  }
}

export const notTaken = (at: TopicPartition, count: number, cause: unknown): StreamsError =>
  new StreamsError('PRODUCE_FAILED', {
    what:
      count === 1 ? 'the broker did not take a record' : `the broker did not take ${count} records, the first of them`,
    at: `${at.topic}[${at.partition}]`,
    saw: cause instanceof StreamsError ? cause.problem : String(cause instanceof Error ? cause.message : cause),
    expected: 'a record that can be appended',
    action: cause instanceof StreamsError ? cause.action : 'Correct the cause and write the records again.',
    cause,
  });

/**
 * Records that a writer has accepted and not yet sent, as unfinished batches: one encoder for each partition
 * with such records. Copies the bytes of each record at once. A record that cannot be appended is left out
 * and reported to `onRefused` if it has an origin, else added to `failures`.
 */
export class PendingBatches<P extends WritablePartition> {
  readonly #encoders = new Map<P, RecordBatchEncoder>();
  /** Full batches, in order per partition. */
  #full: OutgoingBatch<P>[] = [];
  #bytes = 0;
  /**
   * With `onResult`: how many records each partition was given, and the number of the first record of its
   * unfinished batch.
   */
  readonly #given = new Map<string, number>();
  readonly #begun = new Map<P, number>();

  constructor(
    readonly log: WritableLog<P>,
    readonly clock: Pick<Clock, 'now'>,
    readonly failures: Failures,
    readonly tell?: WriterOptions['onResult'],
    readonly onRefused?: WriterOptions['onRefused'],
  ) {}

  /** Bytes of the full batches. */
  get fullBytes(): number {
    return this.#bytes;
  }

  add(records: readonly ProducerRecord[]): void {
    let log: P | undefined;
    let encoder: RecordBatchEncoder | undefined;
    for (let i = 0; i < records.length; i++) {
      const record = records[i] as ProducerRecord;
      if (!log || !encoder || log.partition !== record.partition || log.topic.name !== record.topic) {
        log = this.log.find(record.topic, record.partition);
        if (!log) {
          this.#refuse(record, unknownLogPartition(record.topic, record.partition, this.log.topic(record.topic)));
          continue;
        }
        encoder = this.#encoderOf(log);
      }
      const refusal = refuse(record, log, this.clock);
      if (refusal) {
        this.#refuse(record, refusal, log, encoder);
        continue;
      }
      try {
        encoder.add(record.key, record.value, record.timestamp, record.headers);
      } catch (error) {
        this.#refuse(record, error, log, encoder);
        continue;
      }
      if (this.tell) {
        const at = this.#give(record);
        if (encoder.count === 1) this.#begun.set(log, at);
      }
      if (encoder.size >= BATCH_BYTES) this.#close(log, encoder);
    }
  }

  /** Adds finished batches, of a writer in another process that has checked their records. */
  addFull(batches: readonly OutgoingBatch<P>[]): void {
    for (const batch of batches) {
      this.#full.push(batch);
      this.#bytes += batch.bytes.length;
    }
  }

  /** Removes and returns the full batches. */
  takeFull(): readonly OutgoingBatch<P>[] {
    const full = this.#full;
    this.#full = [];
    this.#bytes = 0;
    return full;
  }

  /** Removes and returns all batches, full or not. */
  takeAll(): readonly OutgoingBatch<P>[] {
    for (const [log, encoder] of this.#encoders) if (encoder.count > 0) this.#close(log, encoder);
    // An application has one writer per task. If each kept an encoder for every partition it ever wrote to,
    // there would be tasks times partitions.
    this.#encoders.clear();
    return this.takeFull();
  }

  clear(): void {
    for (const encoder of this.#encoders.values()) encoder.clear();
    this.takeFull();
  }

  #encoderOf(log: P): RecordBatchEncoder {
    let encoder = this.#encoders.get(log);
    if (!encoder) {
      encoder = new RecordBatchEncoder();
      this.#encoders.set(log, encoder);
    }
    return encoder;
  }

  /** The record's sequence number in its partition. */
  #give({ topic, partition }: TopicPartition): number {
    const key = partitionKey(topic, partition);
    const at = this.#given.get(key) ?? 0;
    this.#given.set(key, at + 1);
    return at;
  }

  #refuse(record: ProducerRecord, cause: unknown, log?: P, encoder?: RecordBatchEncoder): void {
    const { topic, partition, origin } = record;
    // Without a log, the record is not the cause.
    if (log && origin !== undefined && this.onRefused)
      this.onRefused({ topic, partition, origin, error: notTaken(record, 1, cause) });
    else this.failures.add(record, 1, cause);
    if (!this.tell) return;
    // The records of a batch must be consecutive.
    if (log && encoder && encoder.count > 0) this.#close(log, encoder);
    this.tell({ topic, partition, from: this.#give(record), count: 1, error: notTaken(record, 1, cause) });
  }

  #close(log: P, encoder: RecordBatchEncoder): void {
    const { count, maxTimestamp } = encoder;
    const bytes = encoder.finish();
    this.#full.push({ log, bytes, from: this.#begun.get(log) ?? 0, count, maxTimestamp });
    this.#bytes += bytes.length;
  }
}

function refuse(record: ProducerRecord, log: WritablePartition, clock: Pick<Clock, 'now'>): StreamsError | undefined {
  const { settings } = log.topic;
  const { key, value, headers } = record;
  // Only records that are nearly as large as the topic allows need to be measured.
  const nearly = 2 * ((key?.length ?? 0) + (value?.length ?? 0)) + BATCH_BYTES > settings.maxMessageBytes;
  const size = nearly || headers.size > 0 ? sizeAlone(key, value, headers) : 0;
  if (size > settings.maxMessageBytes) {
    return new StreamsError('PRODUCE_FAILED', {
      what: 'a record is too large',
      at: log.where,
      saw: `${size} bytes as a batch of its own`,
      expected: `at most max.message.bytes = ${settings.maxMessageBytes}`,
      action: 'Make the record smaller, or create the topic with a larger max.message.bytes.',
    });
  }
  const { timestampBeforeMs, timestampAfterMs } = settings;
  if (timestampBeforeMs !== Number.POSITIVE_INFINITY || timestampAfterMs !== Number.POSITIVE_INFINITY) {
    const now = clock.now();
    if (record.timestamp < now - timestampBeforeMs || record.timestamp > now + timestampAfterMs) {
      return new StreamsError('PRODUCE_FAILED', {
        what: 'a record has a timestamp that the topic does not accept',
        at: log.where,
        saw: `${record.timestamp} at ${now}`,
        expected: `at most ${timestampBeforeMs} ms before it and ${timestampAfterMs} ms after it`,
        action: 'Correct the timestamp, or the message.timestamp.*.max.ms of the topic.',
      });
    }
  }
  if (settings.compact && record.key === null) {
    return new StreamsError('PRODUCE_FAILED', {
      what: 'a record has no key',
      at: log.where,
      saw: 'null',
      expected: 'a key, because the topic is compacted',
      action: 'Give the record a key, or create the topic with cleanup.policy=delete.',
    });
  }
  return undefined;
}
