import type { BrokerRecord, PartitionOffset, TopicPartition } from './records.js';

export interface ReaderOptions {
  /** Default `read_committed`: records of open and aborted transactions are not returned. */
  readonly isolation?: 'read_committed' | 'read_uncommitted';
}

/**
 * Records of one partition in offset order. Offsets may have gaps (compaction, transaction markers). A batch
 * without records means that the reader has moved past offsets that hold no visible record: markers, aborted
 * records, compacted records. A caller that reads up to an end from {@link Admin.latestOffsets} therefore
 * always reaches it.
 */
export interface RecordBatch extends TopicPartition {
  readonly records: readonly BrokerRecord[];
  /** The position of the reader after this batch. */
  readonly nextOffset: number;
  /**
   * The partition's latest readable offset when this batch was read: `latestOffset - nextOffset` is the lag.
   * It may be lower than in an earlier batch, because a log can lose its end.
   */
  readonly latestOffset: number;
}

/** See {@link Reader.poll}. */
export interface PollOptions {
  readonly maxRecords: number;
  /** Default and maximum: 16 MiB. */
  readonly maxBytes?: number;
  readonly maxWaitMs: number;
}

/**
 * Reads partitions from given offsets, in offset order within each, without a group. Partitions can be added,
 * moved, paused and removed while it runs. Data that was fetched for an old position is discarded.
 */
export interface Reader {
  /** Reads this partition from this offset onward. For a partition that is already read, it is a seek. */
  seek(position: PartitionOffset): void;
  /** Stops reading the partitions. */
  remove(partitions: readonly TopicPartition[]): void;
  /** Poll does not return a paused partition; the partition keeps its position. */
  pause(partitions: readonly TopicPartition[]): void;
  resume(partitions: readonly TopicPartition[]): void;
  /**
   * Returns the next batches, at most one per partition. They hold at most `maxRecords` records, and stop
   * growing once keys, values and headers reach `maxBytes` (default and maximum 16 MiB). Both limits are
   * shared fairly among partitions. One record is returned in any case, however large, and each time from
   * another partition. Records that are not returned are not decoded, except the next record of a partition.
   *
   * Waits up to `maxWaitMs` for the first record or move. Returns an empty array if there is none, which
   * proves nothing about the content of the log.
   *
   * Errors: OFFSET_OUT_OF_RANGE, with the partition and the offsets that exist, if a position is outside the
   * log. TOPIC_UNKNOWN if a topic is gone. LOG_CORRUPT if a batch fails its checksum. After an error the
   * positions are unchanged.
   */
  poll(options: PollOptions): Promise<readonly RecordBatch[]>;
  /** Makes a waiting poll return an empty result. */
  wakeup(): void;
  close(): Promise<void>;
}
