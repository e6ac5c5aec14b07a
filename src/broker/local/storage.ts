/**
 * What the local brokers need of a storage: atomic writes of batches and metadata, and batches by offset. Two
 * implementations: `memory/storage.ts` (arrays) and `embedded/storage.ts` (a database on disk).
 */
import { StreamsError } from '../../model/errors.js';

/**
 * A partition as the storage knows it. A topic's number is never used again, so a topic made again under an
 * old name inherits nothing.
 */
export interface PartitionId {
  readonly topicId: number;
  readonly partition: number;
}

/**
 * What is known of a partition besides its batches. Written in the same atomic write as the batches it tells
 * of.
 */
export interface PartitionState {
  /** First offset that can be read; may lie inside a batch. */
  earliest: number;
  /** Offset of the next record. */
  next: number;
  /** Highest record timestamp ever appended; -1 if none. */
  maxTimestamp: number;
  /** Bytes of all batches. */
  bytes: number;
  /** Compaction has seen every record below this offset. */
  cleanedTo: number;
  /** Bytes appended since the last compaction. */
  dirtyBytes: number;
}

export const emptyPartition = (): PartitionState => ({
  earliest: 0,
  next: 0,
  maxTimestamp: -1,
  bytes: 0,
  cleanedTo: 0,
  dirtyBytes: 0,
});

export interface StoredBatch {
  readonly baseOffset: number;
  /**
   * Highest timestamp of this and all earlier batches of the partition: never falls, so that a time can be
   * searched by halving.
   */
  readonly maxTimestamp: number;
  /** The record batch. */
  readonly bytes: Buffer;
}

export interface StoredTopic {
  /** Its number in this storage. */
  readonly topicId: number;
  /** Its own: no other topic ever has it. */
  readonly id: string;
  readonly name: string;
  readonly partitions: number;
  readonly config: Readonly<Record<string, string>>;
}

export interface StoredOffset extends PartitionId {
  readonly groupId: string;
  readonly offset: number;
  readonly metadata: string;
}

/** One atomic write: all of it or nothing. */
export interface StorageWrite {
  /** Batches to put. */
  readonly batches: (PartitionId & StoredBatch)[];
  /** Batches to remove. */
  readonly removedBatches: (PartitionId & { readonly baseOffset: number })[];
  readonly partitions: (PartitionId & { readonly state: PartitionState })[];
  readonly topics: StoredTopic[];
  /**
   * Topics to remove, with their partitions. Their batches are removed afterwards, by
   * {@link LogStorage.sweep}.
   */
  readonly removedTopics: StoredTopic[];
  readonly offsets: StoredOffset[];
  readonly removedOffsets: StoredOffset[];
}

export const emptyWrite = (): StorageWrite => ({
  batches: [],
  removedBatches: [],
  partitions: [],
  topics: [],
  removedTopics: [],
  offsets: [],
  removedOffsets: [],
});

/** Everything but the batches, as it was when the storage was last written. */
export interface StoredMetadata {
  /** No topic ever had this number, or a higher one. */
  readonly nextTopicId: number;
  readonly topics: readonly StoredTopic[];
  readonly partitions: readonly (PartitionId & { readonly state: PartitionState })[];
  readonly offsets: readonly StoredOffset[];
}

export interface LogStorage {
  load(): Promise<StoredMetadata>;
  /** All or nothing. With `sync` the disk has this and everything written before when it resolves. */
  write(write: StorageWrite, sync: boolean): Promise<void>;
  /** Base offset of the last batch that begins at or before an offset; undefined if there is none. */
  floor(partition: PartitionId, offset: number): Promise<number | undefined>;
  /** Up to `limit` batches in offset order, from the first that begins at or after an offset. */
  read(partition: PartitionId, from: number, limit: number): Promise<readonly StoredBatch[]>;
  /** Removes the batches of topics that are removed already. */
  sweep(): Promise<void>;
  close(): Promise<void>;
}

/** A storage holds something that its partition's metadata does not allow. */
export function logCorrupt(at: string, saw: string, expected: string): StreamsError {
  return new StreamsError('LOG_CORRUPT', {
    what: 'cannot read the log',
    at,
    saw,
    expected,
    action: 'The stored bytes are not what was written: restore the log from a copy, or seek past this offset.',
  });
}
