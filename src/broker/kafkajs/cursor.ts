import { StreamsError } from '../../model/errors.js';
import { silentLogger } from '../../model/ports.js';
import { loadCodecs, unpack } from '../compression/codecs.js';
import { POLL_BYTES } from '../fair-shares.js';
import type { BrokerRecord, PartitionOffset, RecordBatch } from '../port.js';
import { type BatchHead, corrupt, type DecodeContext } from '../record-batch/context.js';
import { completeBatchSize, compressionsIn, decodeHead } from '../record-batch/decoder.js';
import { BatchRecords } from '../record-batch/records.js';
import { UnpackedBatches } from '../record-batch/unpacked.js';
import { LeaderSilence } from './leader-silence.js';
import type { FetchedPartition } from './requests-records.js';

/** A batch that was fetched and not yet decoded; without records if it only moves the position. */
interface AheadBatch {
  readonly head: BatchHead;
  readonly at: number;
  readonly source: Buffer;
  readonly visible: boolean;
}

/**
 * Where a reader stands in one partition, and what was fetched from there on.
 *
 * Records of aborted transactions and transaction markers are passed over, and move the position. A seek
 * replaces the cursor, so that what arrives for the old one goes nowhere.
 */
export class Cursor {
  readonly topic: string;
  readonly partition: number;
  position: number;
  latest: number;
  paused = false;
  closed = false;
  /** Part of a fetch that is under way. */
  fetching = false;
  /** The last fetch found nothing behind what was fetched. */
  isAtEnd = false;
  /** Since when the topic is unknown, on the monotonic clock. */
  unknownSince: number | undefined;
  readonly silence: LeaderSilence;
  /** For the next poll to throw. */
  failure: unknown;
  aheadBytes = 0;
  /** Where the next fetch begins. */
  fetchFrom: number;
  /** Where it stood when a poll last returned something of it. */
  #told: number;
  readonly #ahead: AheadBatch[] = [];
  /** The batch that records are taken of. */
  #records: BatchRecords | undefined;
  /** Bytes of records since the last {@link prepare}. */
  takenBytes = 0;
  #decodedTo: number;
  readonly #context: DecodeContext;
  readonly #unpacked: UnpackedBatches;

  /** `unpacked`: what it shares with others that read at the same time. */
  constructor({ topic, partition, offset }: PartitionOffset, logger = silentLogger, unpacked = new UnpackedBatches()) {
    this.#unpacked = unpacked;
    this.topic = topic;
    this.partition = partition;
    this.position = offset;
    this.#told = offset;
    this.latest = offset;
    this.fetchFrom = offset;
    this.#decodedTo = offset;
    this.silence = new LeaderSilence(this, logger);
    this.#context = { topic, partition, decompress: unpack };
  }

  get hasDecoded(): boolean {
    return this.#records?.next !== undefined;
  }

  /**
   * Takes in what was fetched. Aborted transactions come in order of completion, so they are sorted by their
   * first offset; a producer is in an aborted transaction from there to its next marker, of either kind,
   * because it has one transaction at a time. Loads the codecs that its batches need. LOG_CORRUPT at the
   * first batch that is not what was written; those before it can be taken.
   */
  async receive(fetched: FetchedPartition, committedOnly: boolean): Promise<void> {
    await loadCodecs(compressionsIn(fetched.records));
    if (this.closed) return;
    this.latest = committedOnly ? fetched.lastStableOffset : fetched.highWatermark;
    const aborted = [...fetched.aborted].sort((a, b) => a.firstOffset - b.firstOffset);
    const open = new Set<number>();
    let next = 0;
    const source = fetched.records;
    // The first batch always comes whole: the length of one that seems cut off is wrong.
    if (source.length > 0 && completeBatchSize(source) === undefined) decodeHead(source, 0, this.#context);
    for (let at = 0, size = completeBatchSize(source, 0); size !== undefined; size = completeBatchSize(source, at)) {
      const head = decodeHead(source, at, this.#context);
      for (; next < aborted.length && (aborted[next]?.firstOffset ?? 0) <= head.lastOffset; next++)
        open.add(aborted[next]?.producerId ?? -1);
      const visible = !head.control && !(head.transactional && open.has(head.producerId));
      if (head.control) open.delete(head.producerId);
      if (head.lastOffset >= this.fetchFrom) {
        this.#ahead.push({ head, at, source, visible });
        this.aheadBytes += head.size;
        this.fetchFrom = head.lastOffset + 1;
      }
      at += size;
    }
  }

  /** Its leader is asked for what comes next. */
  asked(now: number, broker: number): void {
    this.silence.asked(now, broker);
    this.fetching = true;
  }

  setPaused(paused: boolean): void {
    this.paused = paused;
    // Nobody asks for it.
    if (paused) this.silence.rest();
  }

  /** LOG_CORRUPT, for a broker that finds the next batch corrupt before it sends it. */
  refused(): StreamsError {
    return corrupt(this, this.fetchFrom, 'what the broker itself refuses', 'a batch');
  }

  /** OFFSET_OUT_OF_RANGE, where the log has these offsets. */
  outOfRange(exists: string): StreamsError {
    const { topic, partition, fetchFrom } = this;
    return new StreamsError('OFFSET_OUT_OF_RANGE', {
      what: 'cannot read',
      at: `${topic}[${partition}]@${fetchFrom}`,
      saw: `offset ${fetchFrom}`,
      expected: exists,
      action:
        "The records were deleted before they were read. Seek to an offset that exists; for an application that is stopped, set the group's offset (kafka-consumer-groups.sh --reset-offsets), knowing that what was deleted is lost to it.",
    });
  }

  /** Whether it has moved without records since the last {@link batch}. */
  get hasMoved(): boolean {
    return this.position > this.#told;
  }

  /**
   * Begins a poll. False if there is nothing to tell, not even a move. Throws what is wrong with the records
   * that come next, as far as nothing has to be unpacked to know it.
   */
  prepare(): boolean {
    this.takenBytes = 0;
    this.#open(false);
    return this.hasDecoded || this.hasMoved || this.#ahead.length > 0;
  }

  /**
   * Whether there are records after the last, for a poll that has not had its fill of this partition. What is
   * wrong with them is kept for the next poll: this one may have something to return.
   */
  more(): boolean {
    if (this.takenBytes >= POLL_BYTES) return false;
    try {
      this.#open(!this.#unpacked.isFull);
    } catch (error) {
      this.failure = error;
    }
    return this.hasDecoded;
  }

  /**
   * Up to `max` records, one at least, and no more once they have `maxBytes`; the position moves behind them
   * and, at the end of a batch, behind markers that follow.
   */
  take(max: number, maxBytes = POLL_BYTES): readonly BrokerRecord[] {
    const taken: BrokerRecord[] = [];
    const records = this.#records as BatchRecords;
    this.takenBytes += records.take(max, maxBytes, taken);
    if (records.next !== undefined || records.failure !== undefined) {
      this.position = records.next?.offset ?? (taken.at(-1) as BrokerRecord).offset + 1;
      return taken;
    }
    this.#records = undefined;
    this.position = this.#decodedTo;
    for (let batch = this.#ahead[0]; batch && !batch.visible; batch = this.#ahead[0]) {
      this.#passOver(batch);
      this.position = this.#decodedTo;
    }
    return taken;
  }

  /** Nothing more is read of it. */
  close(): void {
    this.closed = true;
    this.#records?.release();
  }

  /**
   * Opens batches up to one with a record, if the last is used up; only up to one that has to be unpacked,
   * without `unpack`.
   */
  #open(unpack: boolean): void {
    if (this.#records?.failure) throw this.#records.failure;
    while (!this.hasDecoded) {
      const batch = this.#ahead[0];
      if (!batch || (!unpack && batch.visible && batch.head.compression !== 0)) return;
      const { source, at, head, visible } = batch;
      const records = visible
        ? new BatchRecords(source, at, head, this.#context, this.#decodedTo, this.#unpacked)
        : undefined;
      this.#passOver(batch);
      this.#records = records?.next && records;
      if (!this.hasDecoded) this.position = this.#decodedTo;
    }
  }

  #passOver({ head }: AheadBatch): void {
    this.#ahead.shift();
    this.aheadBytes -= head.size;
    this.#decodedTo = head.lastOffset + 1;
  }

  /** What a poll returns of it: these records, and where it stands now. */
  batch(records: readonly BrokerRecord[]): RecordBatch {
    const { topic, partition, position, latest } = this;
    this.#told = position;
    return { topic, partition, records, nextOffset: position, latestOffset: Math.max(latest, position) };
  }
}
