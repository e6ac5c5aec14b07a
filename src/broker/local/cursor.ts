import { StreamsError } from '../../model/errors.js';
import { POLL_BYTES } from '../fair-shares.js';
import type { BrokerRecord, PartitionOffset, RecordBatch } from '../port.js';
import type { BatchHead, DecodeContext } from '../record-batch/context.js';
import { decodeHead, peekLastOffset } from '../record-batch/decoder.js';
import { BatchRecords } from '../record-batch/records.js';
import { type Log, unknownLogPartition } from './log.js';
import type { PartitionLog } from './partition-log.js';
import { logCorrupt, type StoredBatch } from './storage.js';

/** Batches fetched at once at most: with batches of 128 KiB, 8 MiB. */
const MAX_FETCH = 64;

/**
 * A reader's place in one partition: the position, decoded records that were not handed out, and batches
 * fetched ahead.
 *
 * Batches come from the partition's tail while the reader keeps up, else from the storage, `aheadBytes` ahead
 * of the position.
 */
export class LogCursor {
  paused = false;
  readonly topic: string;
  readonly partition: number;
  /** Where the reader stands. */
  position: number;
  readonly #log: Log;
  // Apart from the cursor, because records with undecoded headers hold on to it.
  readonly #context: DecodeContext;
  #partitionLog: PartitionLog | undefined;
  /** The batch that records are taken of. */
  #records: BatchRecords | undefined;
  /** Bytes of records since the last {@link prepare}. */
  takenBytes = 0;
  /** Where it stood when a poll last returned something of it. */
  #told: number;
  /** Where the reader stands once the decoded records are handed out. */
  #decodedTo: number;
  #ahead: StoredBatch[] = [];
  #aheadBytes = 0;
  /** Where the next fetch begins; undefined until the batch that holds the position is found. */
  #aheadTo: number | undefined;
  #fetching: Promise<void> | undefined;
  #failure: unknown;
  #averageBytes = 64 * 1024;
  #stopListening: (() => void) | undefined;
  #closed = false;

  constructor(
    log: Log,
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

  /** Whether it has moved without records since the last {@link batch}. */
  get hasMoved(): boolean {
    return this.position > this.#told;
  }

  get hasDecoded(): boolean {
    return this.#records?.next !== undefined;
  }

  /**
   * Makes records ready if that needs no waiting. False if there is nothing to tell, not even a move. Throws
   * TOPIC_UNKNOWN, OFFSET_OUT_OF_RANGE, LOG_CORRUPT, or what the last fetch
   * failed with; the next call tries again.
   */
  prepare(): boolean {
    this.takenBytes = 0;
    return this.#open();
  }

  #open(): boolean {
    if (this.hasDecoded) return true;
    if (this.#records?.failure) throw this.#records.failure;
    const partitionLog = this.#check();
    while (!this.hasDecoded && this.#decodedTo < partitionLog.state.next) {
      const batch = this.#next(partitionLog);
      if (!batch) break;
      try {
        this.#decode(batch);
      } catch (error) {
        // Fetched again by the next call: going on with the batch behind it would skip records.
        this.#ahead = [];
        this.#aheadBytes = 0;
        this.#aheadTo = undefined;
        throw error;
      }
    }
    return this.hasDecoded || this.hasMoved;
  }

  /**
   * Whether there are records after the last; what `prepare` throws is kept for the next `prepare`: for a
   * poll that has something to return already.
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
   * Fetches from the storage what comes next, if anything is missing. Resolves when it is there or has
   * failed; never rejects.
   */
  fetch(aheadBytes: number): Promise<void> | undefined {
    if (this.#fetching) return this.#fetching;
    const partitionLog = this.#partitionLog;
    if (
      this.#closed ||
      this.#failure !== undefined ||
      !partitionLog ||
      partitionLog.topic.deleted ||
      this.#aheadBytes >= aheadBytes
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
   * Up to `max` records, one at least, and no more once they have `maxBytes`; the position moves behind them.
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

  /** What a poll returns of it: these records, and where it stands now. */
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
    if (!partitionLog) return;
    this.#partitionLog = partitionLog;
    this.#stopListening = partitionLog.listen(this.onAppend);
  }

  #check(): PartitionLog {
    if (!this.#partitionLog) this.#attach();
    const partitionLog = this.#partitionLog;
    if (!partitionLog || partitionLog.topic.deleted)
      throw unknownLogPartition(this.topic, this.partition, partitionLog ? undefined : this.#log.topic(this.topic));
    if (this.#failure !== undefined) {
      const failure = this.#failure;
      this.#failure = undefined;
      throw failure;
    }
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

  #next(partitionLog: PartitionLog): StoredBatch | undefined {
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
    // A batch without records (all compacted away) moves the position past itself.
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

  async #fetch(partitionLog: PartitionLog, limit: number): Promise<void> {
    const { storage } = this.#log;
    const from = this.#aheadTo ?? (await storage.floor(partitionLog, this.#decodedTo)) ?? this.#decodedTo;
    const batches = await storage.read(partitionLog, from, limit);
    if (this.#closed) return;
    const last = batches.at(-1);
    if (!last) {
      // Nothing is stored although the log goes on: gone with its topic or by retention (told by the next
      // check), or lost.
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
