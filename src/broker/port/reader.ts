import type { BrokerRecord, PartitionOffset, TopicPartition } from './records.js';

export interface ReaderOptions {
  /** Default `read_committed`: records of open and aborted transactions are never seen. */
  readonly isolation?: 'read_committed' | 'read_uncommitted';
}

/**
 * Records of one partition in offset order. Offsets may have holes (compaction, transaction markers). Without
 * records: the reader has moved, past what nobody sees (markers, aborted records, what compaction has
 * removed). So whoever reads up to an end that {@link Admin.latestOffsets} has named comes to it.
 */
export interface RecordBatch extends TopicPartition {
  readonly records: readonly BrokerRecord[];
  /** Where the reader stands after this batch. */
  readonly nextOffset: number;
  /**
   * The partition's latest readable offset when this batch was read: `latestOffset - nextOffset` is the lag.
   * It may be less than it was: a log can lose its end.
   */
  readonly latestOffset: number;
}

/** See {@link Reader.poll}. */
export interface PollOptions {
  readonly maxRecords: number;
  /** Default, and at most: 16 MiB. */
  readonly maxBytes?: number;
  readonly maxWaitMs: number;
}

/**
 * Reads partitions from given offsets, in offset order within each, without a group. Partitions can be added,
 * moved, paused and removed while it runs; what was fetched for an old position is thrown away.
 */
export interface Reader {
  /** Reads that partition from that offset on, from now on (also: seek). */
  seek(position: PartitionOffset): void;
  /** Stops reading the partitions. */
  remove(partitions: readonly TopicPartition[]): void;
  /** A paused partition is not returned by poll; it keeps its position. */
  pause(partitions: readonly TopicPartition[]): void;
  resume(partitions: readonly TopicPartition[]): void;
  /**
   * The next batches, at most one a partition, `maxRecords` records in all, and no more once their keys,
   * values and headers have `maxBytes` (default and at most 16 MiB), shared fairly among partitions. One
   * record comes in any case, however large, and each time of another partition. What is not returned is not
   * decoded, but for the next record of a partition. Waits up to `maxWaitMs` for the first record or move;
   * empty if none came, which says nothing of what is in the log. OFFSET_OUT_OF_RANGE (naming the partition
   * and the offsets that exist) if a position is outside the log, TOPIC_UNKNOWN if a topic is gone,
   * LOG_CORRUPT if a batch does not pass its checksum. After an error the positions are unchanged.
   */
  poll(options: PollOptions): Promise<readonly RecordBatch[]>;
  /** Ends a waiting poll with an empty result. */
  wakeup(): void;
  close(): Promise<void>;
}
