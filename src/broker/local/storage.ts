/**
 * What the local brokers need from a storage: atomic writes of batches and metadata, and reads of batches by
 * offset. Two implementations: `memory/storage.ts` (arrays) and `embedded/storage.ts` (a database on disk).
 */
import { StreamsError } from '../../model/errors.js';

/**
 * The identity of a partition in the storage. A topic's number is never reused, so a topic that is created
 * again under an old name inherits nothing.
 */
export interface PartitionId {
  readonly topicId: number;
  readonly partition: number;
}

/**
 * The state of a partition, apart from its batches. Written atomically with the batches that it describes.
 */
export interface PartitionState {
  /** The first readable offset; may lie inside a batch. */
  earliest: number;
  /** The offset of the next record. */
  next: number;
  /** Highest record timestamp ever appended; -1 if none. */
  maxTimestamp: number;
  /** Bytes of all batches. */
  bytes: number;
  /** Compaction has processed every record below this offset. */
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
   * The highest timestamp of this and all earlier batches of the partition: it never falls, which allows a
   * binary search by time.
   */
  readonly maxTimestamp: number;
  /** The record batch. */
  readonly bytes: Buffer;
}

export interface StoredTopic {
  /** The topic's number in this storage. */
  readonly topicId: number;
  /** The topic's id: no other topic ever has it. */
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
  /** Topics to remove, with their partitions. {@link LogStorage.sweep} removes their batches afterwards. */
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

/** Everything except the batches, as of the last write. */
export interface StoredMetadata {
  /** No topic has ever had this number or a higher one. */
  readonly nextTopicId: number;
  readonly topics: readonly StoredTopic[];
  readonly partitions: readonly (PartitionId & { readonly state: PartitionState })[];
  readonly offsets: readonly StoredOffset[];
}

export interface LogStorage {
  load(): Promise<StoredMetadata>;
  /** Writes all or nothing. With `sync`, this write and all earlier ones are on disk when it resolves. */
  write(write: StorageWrite, sync: boolean): Promise<void>;
  /** The base offset of the last batch that begins at or before an offset; undefined if there is none. */
  floor(partition: PartitionId, offset: number): Promise<number | undefined>;
  /** Up to `limit` batches in offset order, from the first that begins at or after an offset. */
  read(partition: PartitionId, from: number, limit: number): Promise<readonly StoredBatch[]>;
  /** Removes the batches of topics that are already removed. */
  sweep(): Promise<void>;
  close(): Promise<void>;
}

/** The content of the storage contradicts its partition's metadata. */
export function logCorrupt(at: string, saw: string, expected: string): StreamsError {
  return new StreamsError('LOG_CORRUPT', {
    what: 'cannot read the log',
    at,
    saw,
    expected,
    action: 'The stored bytes are not what was written: restore the log from a copy, or seek past this offset.',
  });
}
