import type { ReaderOptions } from './reader.js';
import type { PartitionOffset, TopicPartition } from './records.js';

export interface TopicSpec {
  readonly name: string;
  readonly partitions: number;
  /** Default: the broker's own. Local brokers ignore it: they have one copy. */
  readonly replicationFactor?: number;
  /**
   * Kafka's topic configuration by its own names: `cleanup.policy`, `retention.ms`, `min.compaction.lag.ms`,
   * …
   */
  readonly config?: Readonly<Record<string, string>>;
}

export interface TopicDescription {
  readonly name: string;
  /**
   * Tells a topic from one of the same name that was there before or comes after it (KIP-516). Left out by
   * brokers that give none.
   */
  readonly id?: string;
  readonly partitions: number;
  /** What was set for the topic itself. Null if this user may not read it. */
  readonly config: Readonly<Record<string, string>> | null;
  /** Left out if the topic is not compacted, or if this user may not read its configuration. */
  readonly compaction?: Compaction;
  /** The largest batch that it takes, whoever has set that; left out if it is not known. */
  readonly maxMessageBytes?: number;
  /** What this user may not do with its records; left out if nothing. */
  readonly denied?: readonly ('Read' | 'Write')[];
}

/** Kafka's default for `delete.retention.ms`. */
export const DELETE_RETENTION_MS = 86_400_000;

/**
 * How long a deletion can be read in a compacted topic: as set for the topic, or by the brokers' defaults.
 */
export interface Compaction {
  /** `delete.retention.ms`: at least so long after the first compaction that meets it. */
  readonly deleteRetentionMs: number;
  /** `min.compaction.lag.ms`: no compaction meets a record before its timestamp is so old. */
  readonly minLagMs: number;
}

export interface Admin {
  /**
   * Creates topics, all or none. TOPIC_EXISTS names those that are there already. CONFIG_INVALID for a bad
   * name, count or configuration value. With `validateOnly` nothing is created, but the errors are the same.
   */
  createTopics(topics: readonly TopicSpec[], options?: { readonly validateOnly?: boolean }): Promise<void>;
  /**
   * The topics that exist among those asked for (all topics if none are named). BROKER_UNAUTHORIZED lists
   * those asked for that this user may not describe, whether they exist or not; without names they are left
   * out.
   */
  describeTopics(names?: readonly string[]): Promise<readonly TopicDescription[]>;
  /**
   * Sets configuration of topics that exist; what is not named stays as it is. TOPIC_UNKNOWN names those that
   * do not exist, CONFIG_INVALID those whose configuration is refused: the others may be set by then.
   */
  configureTopics(topics: readonly Pick<TopicSpec, 'name' | 'config'>[]): Promise<void>;
  /**
   * Deletes topics with their records. TOPIC_UNKNOWN names those that do not exist; the others are deleted.
   */
  deleteTopics(names: readonly string[]): Promise<void>;
  /** First offset that can still be read. */
  earliestOffsets(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]>;
  /**
   * One past the last committed record: where a reader that has read everything stands. `read_uncommitted`:
   * the end of the log, past what is in open transactions, too. A `read_committed` reader comes there when
   * these have ended.
   */
  latestOffsets(
    partitions: readonly TopicPartition[],
    isolation?: ReaderOptions['isolation'],
  ): Promise<readonly PartitionOffset[]>;
  /** First offset whose record's timestamp is at or after that time; the latest offset if there is none. */
  offsetsAt(partitions: readonly TopicPartition[], timestamp: number): Promise<readonly PartitionOffset[]>;
  /**
   * Removes the records before these offsets; the earliest offset is then at least that. Topics whose policy
   * is to delete only. OFFSET_OUT_OF_RANGE, removing nothing, beyond the end of a log.
   */
  deleteRecords(before: readonly PartitionOffset[]): Promise<void>;
  /** Committed offsets of a group: partitions without one are left out. */
  groupOffsets(groupId: string): Promise<readonly PartitionOffset[]>;
  /** Sets committed offsets of a group that has no members. GROUP_FENCED while it has. */
  setGroupOffsets(groupId: string, offsets: readonly PartitionOffset[]): Promise<void>;
  /** Member ids of a group; empty for an unknown group. */
  groupMembers(groupId: string): Promise<readonly string[]>;
  /**
   * Forgets a group without members and its offsets. GROUP_FENCED while it has members; nothing happens for
   * an unknown group.
   */
  deleteGroup(groupId: string): Promise<void>;
}
