import { StreamsError } from '../../model/errors.js';
import { POLL_BYTES } from '../fair-shares.js';
import type { BrokerRecord, PartitionOffset, RecordBatch } from '../port.js';
import type { BatchHead, DecodeContext } from '../record-batch/context.js';
import { decodeHead, peekLastOffset } from '../record-batch/decoder.js';
import { BatchRecords } from '../record-batch/records.js';
import { unknownLogPartition } from './log.js';
import type { ReadableLog, ReadablePartition } from './readable-log.js';
import { logCorrupt, type StoredBatch } from './storage.js';

/** Maximum number of batches per fetch: 8 MiB with batches of 128 KiB. */
const MAX_FETCH = 64;

/**
 * A reader's cursor in one partition: the position, decoded records that were not yet returned, and batches
 * fetched ahead.
 *
 * Batches come from the partition's tail while the reader keeps up; otherwise from the storage, `aheadBytes`
 * ahead of the position.
 */
export class LogCursor<P extends ReadablePartition> {
  paused = false;
  readonly topic: string;
  readonly partition: number;
  /** The reader's position. */
  position: number;
  readonly #log: ReadableLog<P>;
  // Separate from the cursor, because records with undecoded headers keep a reference to it.
  readonly #context: DecodeContext;
  #partitionLog: P | undefined;
  /** Whether the partition is being looked up, or was since the last answer that there is none. */
  #lookUp: Promise<void> | 'done' | undefined;
  /** The batch from which records are being taken. */
  #records: BatchRecords | undefined;
  /** Bytes of records taken since the last {@link prepare}. */
  takenBytes = 0;
  /** The position when a poll last returned a batch of this cursor. */
  #told: number;
  /** The reader's position after all decoded records are taken. */
  #decodedTo: number;
  #ahead: StoredBatch[] = [];
  #aheadBytes = 0;
  /**
   * The offset at which the next fetch begins; undefined until the batch that holds the position is found.
   */
  #aheadTo: number | undefined;
  #fetching: Promise<void> | undefined;
  #failure: unknown;
  #averageBytes = 64 * 1024;
  #stopListening: (() => void) | undefined;
  #closed = false;

  constructor(
    log: ReadableLog<P>,
    at: PartitionOffset,
    readonly onAppend: () => void,
  ) {
    this.#log = log;
    this.#context = { topic: at.topic, partition: at.partition };
    this.topic = at.topic;
    this.partition = at.partition;
    this.position = at.offset;
    this.#told = at.offset;
    this.#decodedTo = at.offset;
    this.#attach();
  }

  /** The latest readable offset. */
  get latest(): number {
    return this.#partitionLog?.state.next ?? this.position;
  }

  /** Whether the position has moved without records since the last {@link batch}. */
  get hasMoved(): boolean {
    return this.position > this.#told;
  }

  get hasDecoded(): boolean {
    return this.#records?.next !== undefined;
  }

  /**
   * Decodes records if that needs no waiting. False if there is nothing to return, not even a move. Throws
   * TOPIC_UNKNOWN, OFFSET_OUT_OF_RANGE, LOG_CORRUPT or the error of the last fetch; the next call tries
   * again.
   */
  prepare(): boolean {
    this.takenBytes = 0;
    return this.#open();
  }

  #open(): boolean {
    if (this.hasDecoded) return true;
    if (this.#records?.failure) throw this.#records.failure;
    const partitionLog = this.#check();
    if (partitionLog === undefined) return false;
    while (!this.hasDecoded && this.#decodedTo < partitionLog.state.next) {
      const batch = this.#next(partitionLog);
      if (!batch) break;
      try {
        this.#decode(batch);
      } catch (error) {
        // The next call fetches the batch again: continuing with the batch after it would skip records.
        this.#ahead = [];
        this.#aheadBytes = 0;
        this.#aheadTo = undefined;
        throw error;
      }
    }
    return this.hasDecoded || this.hasMoved;
  }

  /**
   * Whether more records follow, for a poll that already has records to return. An error is kept for the next
   * `prepare`.
   */
  more(): boolean {
    if (this.takenBytes >= POLL_BYTES) return false;
    try {
      this.#open();
    } catch (error) {
      this.#failure = error;
    }
    return this.hasDecoded;
  }

  /**
   * Fetches the next batches from the storage, once half of `aheadBytes` is consumed: several at a time,
   * while the other half is. Resolves when they are there or the fetch has failed; never rejects.
   */
  fetch(aheadBytes: number): Promise<void> | undefined {
    if (this.#lookUp instanceof Promise) return this.#lookUp;
    if (this.#fetching) return this.#fetching;
    const partitionLog = this.#partitionLog;
    if (
      this.#closed ||
      this.#failure !== undefined ||
      !partitionLog ||
      partitionLog.topic.deleted ||
      this.#aheadBytes > aheadBytes / 2
    )
      return undefined;
    const from = this.#aheadTo ?? this.#decodedTo;
    if (from >= partitionLog.state.next || partitionLog.tailIndex(from) !== undefined) return undefined;
    const limit = Math.max(1, Math.min(MAX_FETCH, Math.ceil((aheadBytes - this.#aheadBytes) / this.#averageBytes)));
    this.#fetching = this.#fetch(partitionLog, limit)
      .catch((error: unknown) => {
        this.#failure = error;
      })
      .finally(() => {
        this.#fetching = undefined;
      });
    return this.#fetching;
  }

  /**
   * Takes up to `max` records: at least one, and no further ones once they reach `maxBytes`. The position
   * moves past them.
   */
  take(max: number, maxBytes: number): readonly BrokerRecord[] {
    const taken: BrokerRecord[] = [];
    const records = this.#records as BatchRecords;
    this.takenBytes += records.take(max, maxBytes, taken);
    if (records.next !== undefined || records.failure !== undefined) {
      this.position = records.next?.offset ?? (taken.at(-1) as BrokerRecord).offset + 1;
    } else {
      this.#records = undefined;
      this.position = this.#decodedTo;
    }
    return taken;
  }

  /** The batch that a poll returns: these records and the current position. */
  batch(records: readonly BrokerRecord[]): RecordBatch {
    const { topic, partition, position, latest } = this;
    this.#told = position;
    return { topic, partition, records, nextOffset: position, latestOffset: latest };
  }

  close(): void {
    this.#closed = true;
    this.#stopListening?.();
    this.#records = undefined;
    this.#ahead = [];
  }

  #attach(): void {
    const partitionLog = this.#log.find(this.topic, this.partition);
    if (!partitionLog) {
      if (this.#lookUp === undefined && this.#log.lookUp) this.#lookUp = this.#ask(this.#log.lookUp);
      return;
    }
    this.#partitionLog = partitionLog;
    this.#stopListening = partitionLog.listen(this.onAppend);
  }

  /** Never rejects: an error is the result of the next {@link prepare}. */
  async #ask(lookUp: (topic: string, partition: number) => Promise<void>): Promise<void> {
    try {
      await lookUp.call(this.#log, this.topic, this.partition);
    } catch (error) {
      this.#failure = error;
    }
    this.#lookUp = 'done';
    if (!this.#closed) this.#attach();
    this.onAppend();
  }

  /** Undefined while the partition is being looked up. */
  #check(): P | undefined {
    if (!this.#partitionLog) this.#attach();
    if (this.#lookUp instanceof Promise) return undefined;
    this.#lookUp = undefined;
    const partitionLog = this.#partitionLog;
    const failure = this.#failure;
    this.#failure = undefined;
    if (!partitionLog && failure !== undefined) throw failure;
    if (!partitionLog || partitionLog.topic.deleted)
      throw unknownLogPartition(this.topic, this.partition, partitionLog ? undefined : this.#log.topic(this.topic));
    if (failure !== undefined) throw failure;
    const { earliest, next } = partitionLog.state;
    if (this.#ahead.length === 0 && (this.#decodedTo < earliest || this.#decodedTo > next)) {
      throw new StreamsError('OFFSET_OUT_OF_RANGE', {
        what: 'cannot read',
        at: `${partitionLog.where}@${this.#decodedTo}`,
        saw: `offset ${this.#decodedTo}`,
        expected: `${earliest} to ${next}`,
        action: 'Seek to an offset that exists, for example the earliest.',
      });
    }
    return partitionLog;
  }

  #next(partitionLog: P): StoredBatch | undefined {
    const fetched = this.#ahead.shift();
    if (fetched) {
      this.#aheadBytes -= fetched.bytes.length;
      return fetched;
    }
    const index = partitionLog.tailIndex(this.#decodedTo);
    return index === undefined ? undefined : partitionLog.tail[index];
  }

  #decode(batch: StoredBatch): void {
    const head = this.#head(batch);
    const records = new BatchRecords(batch.bytes, 0, head, this.#context, this.#decodedTo);
    this.#records = records.next && records;
    this.#decodedTo = Math.max(this.#decodedTo, head.lastOffset + 1);
    if (this.#aheadTo === undefined || this.#aheadTo < this.#decodedTo) this.#aheadTo = this.#decodedTo;
    // A batch that compaction has emptied moves the position past itself.
    if (!this.hasDecoded) this.position = this.#decodedTo;
  }

  #head(batch: StoredBatch): BatchHead {
    const head = decodeHead(batch.bytes, 0, this.#context);
    // The checksum does not cover the base offset.
    if (head.baseOffset !== batch.baseOffset)
      throw logCorrupt(
        `${this.topic}[${this.partition}]@${batch.baseOffset}`,
        `a batch of offset ${head.baseOffset}`,
        `offset ${batch.baseOffset}`,
      );
    return head;
  }

  async #fetch(partitionLog: P, limit: number): Promise<void> {
    const { storage } = this.#log;
    const from = this.#aheadTo ?? (await storage.floor(partitionLog, this.#decodedTo)) ?? this.#decodedTo;
    const batches = await storage.read(partitionLog, from, limit);
    if (this.#closed) return;
    const [first] = batches;
    // Retention has removed batches meanwhile: the next check reports it.
    if (first && first.baseOffset > from && from < partitionLog.state.earliest) {
      this.#aheadTo = undefined;
      return;
    }
    const last = batches.at(-1);
    if (!last) {
      // The storage has no batch here, although the log continues. Either its topic or retention removed it,
      // which the next check reports, or it is lost.
      const { earliest, next } = partitionLog.state;
      if (!partitionLog.topic.deleted && from >= earliest && from < next)
        throw logCorrupt(`${partitionLog.where}@${from}`, 'no batch', `records up to offset ${next - 1}`);
      this.#aheadTo = undefined;
      return;
    }
    let bytes = 0;
    for (const batch of batches) bytes += batch.bytes.length;
    this.#averageBytes = Math.max(bytes / batches.length, 1);
    this.#aheadBytes += bytes;
    this.#ahead.push(...batches);
    this.#aheadTo = Math.max(last.baseOffset, peekLastOffset(last.bytes)) + 1;
  }
}
