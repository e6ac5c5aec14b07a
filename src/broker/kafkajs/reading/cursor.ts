import { StreamsError } from '../../../model/errors.js';
import { silentLogger } from '../../../model/ports.js';
import { loadCodecs, unpack } from '../../compression/codecs.js';
import { POLL_BYTES } from '../../fair-shares.js';
import type { BrokerRecord, PartitionOffset, RecordBatch } from '../../port.js';
import { type BatchHead, corrupt, type DecodeContext } from '../../record-batch/context.js';
import { completeBatchSize, compressionsIn, decodeHead } from '../../record-batch/decoder.js';
import { BatchRecords } from '../../record-batch/records.js';
import { UnpackedBatches } from '../../record-batch/unpacked.js';
import type { FetchedPartition } from '../wire/requests-records.js';
import { LeaderSilence } from './leader-silence.js';

/** A batch that was fetched and not yet decoded. An invisible batch only moves the position. */
interface AheadBatch {
  readonly head: BatchHead;
  readonly at: number;
  readonly source: Buffer;
  readonly visible: boolean;
}

/**
 * The position of a reader in one partition, and what was fetched from there on.
 *
 * Records of aborted transactions and transaction markers are skipped, and move the position. A seek replaces
 * the cursor, so data that arrives for the old one is discarded.
 */
export class Cursor {
  readonly topic: string;
  readonly partition: number;
  position: number;
  latest: number;
  paused = false;
  closed = false;
  /** Part of a running fetch. */
  fetching = false;
  /** The last fetch found nothing after what was already fetched. */
  isAtEnd = false;
  /** Since when the topic is unknown, on the monotonic clock. */
  unknownSince: number | undefined;
  readonly silence: LeaderSilence;
  /** The error that the next poll throws. */
  failure: unknown;
  aheadBytes = 0;
  /** The offset at which the next fetch begins. */
  fetchFrom: number;
  /** The position when a poll last returned a batch of this cursor. */
  #told: number;
  readonly #ahead: AheadBatch[] = [];
  /** The batch from which records are being taken. */
  #records: BatchRecords | undefined;
  /** Bytes of records taken since the last {@link prepare}. */
  takenBytes = 0;
  #decodedTo: number;
  readonly #context: DecodeContext;
  readonly #unpacked: UnpackedBatches;

  /** `unpacked` is shared with other readers of the same broker. */
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
   * Adds fetched batches. Aborted transactions are listed in order of completion, so they are sorted by their
   * first offset. A producer's records are aborted from that offset to its next marker of either kind,
   * because it has one transaction at a time. Loads the codecs that the batches need. LOG_CORRUPT at the
   * first corrupt batch; the batches before it can be taken.
   */
  async receive(fetched: FetchedPartition, committedOnly: boolean): Promise<void> {
    await loadCodecs(compressionsIn(fetched.records));
    if (this.closed) return;
    this.latest = committedOnly ? fetched.lastStableOffset : fetched.highWatermark;
    const aborted = [...fetched.aborted].sort((a, b) => a.firstOffset - b.firstOffset);
    const open = new Set<number>();
    let next = 0;
    const source = fetched.records;
    // A broker always returns the first batch whole: if it seems truncated, its length is wrong.
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

  /** Records that a fetch of this partition was sent to the leader. */
  asked(now: number, broker: number): void {
    this.silence.asked(now, broker);
    this.fetching = true;
  }

  setPaused(paused: boolean): void {
    this.paused = paused;
    // A paused partition is not fetched.
    if (paused) this.silence.rest();
  }

  /** LOG_CORRUPT, for a broker that finds the next batch corrupt before it sends it. */
  refused(): StreamsError {
    return corrupt(this, this.fetchFrom, 'what the broker itself refuses', 'a batch');
  }

  /** OFFSET_OUT_OF_RANGE, with the offsets that exist. */
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

  /** Whether the position has moved without records since the last {@link batch}. */
  get hasMoved(): boolean {
    return this.position > this.#told;
  }

  /**
   * Begins a poll. False if there is nothing to return, not even a move. Throws the error of the next
   * records, as far as it can be found without decompression.
   */
  prepare(): boolean {
    this.takenBytes = 0;
    this.#open(false);
    return this.hasDecoded || this.hasMoved || this.#ahead.length > 0;
  }

  /**
   * Whether more records follow, for a poll that may still take some from this partition. An error is kept
   * for the next poll, because this one may have records to return.
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
   * Takes up to `max` records: at least one, and no further ones once they reach `maxBytes`. The position
   * moves past them and, at the end of a batch, past the markers that follow.
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

  /** Ends reading; releases what was decompressed. */
  close(): void {
    this.closed = true;
    this.#records?.release();
  }

  /**
   * If the last batch is used up, opens batches until one has a record. Without `unpack` it stops at a
   * compressed batch.
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

  /** The batch that a poll returns: these records and the current position. */
  batch(records: readonly BrokerRecord[]): RecordBatch {
    const { topic, partition, position, latest } = this;
    this.#told = position;
    return { topic, partition, records, nextOffset: position, latestOffset: Math.max(latest, position) };
  }
}
