import type { ReaderOptions } from './reader.js';
import type { PartitionOffset, TopicPartition } from './records.js';

export interface TopicSpec {
  readonly name: string;
  readonly partitions: number;
  /** Default: the broker's own. Local brokers ignore it: they keep one copy. */
  readonly replicationFactor?: number;
  /**
   * Kafka's topic configuration under its own names: `cleanup.policy`, `retention.ms`,
   * `min.compaction.lag.ms`, …
   */
  readonly config?: Readonly<Record<string, string>>;
}

export interface TopicDescription {
  readonly name: string;
  /**
   * Distinguishes this topic from an earlier or later topic of the same name (KIP-516). Left out by brokers
   * that have no topic ids.
   */
  readonly id?: string;
  readonly partitions: number;
  /** The values that are set on the topic itself. Null if this principal may not read them. */
  readonly config: Readonly<Record<string, string>> | null;
  /** Left out if the topic is not compacted, or if this principal may not read its configuration. */
  readonly compaction?: Compaction;
  /** The largest batch that the topic accepts, wherever that is configured. Left out if it is not known. */
  readonly maxMessageBytes?: number;
  /** Operations on its records that this principal lacks the right to. Left out if there are none. */
  readonly denied?: readonly ('Read' | 'Write')[];
}

/** Kafka's default for `delete.retention.ms`. */
export const DELETE_RETENTION_MS = 86_400_000;

/**
 * How long a deletion stays readable in a compacted topic, as set for the topic or by the brokers' defaults.
 */
export interface Compaction {
  /**
   * `delete.retention.ms`: a deletion stays at least this long after the first compaction that reaches it.
   */
  readonly deleteRetentionMs: number;
  /** `min.compaction.lag.ms`: compaction does not reach a record until its timestamp is this old. */
  readonly minLagMs: number;
}

export interface Admin {
  /**
   * Creates topics, all or none. TOPIC_EXISTS names those that already exist; CONFIG_INVALID reports a bad
   * name, count or configuration value. With `validateOnly` nothing is created, but the errors are the same.
   */
  createTopics(topics: readonly TopicSpec[], options?: { readonly validateOnly?: boolean }): Promise<void>;
  /**
   * Returns the requested topics that exist (all topics if no names are given). BROKER_UNAUTHORIZED lists the
   * requested topics that this principal may not describe, whether they exist or not. Without names, such
   * topics are left out.
   */
  describeTopics(names?: readonly string[]): Promise<readonly TopicDescription[]>;
  /**
   * Sets configuration of existing topics; entries that are not named keep their values. TOPIC_UNKNOWN names
   * the topics that do not exist, CONFIG_INVALID those with a configuration that is refused. By then the
   * other topics may already be configured.
   */
  configureTopics(topics: readonly Pick<TopicSpec, 'name' | 'config'>[]): Promise<void>;
  /**
   * Deletes topics with their records. TOPIC_UNKNOWN names those that do not exist; the others are deleted.
   */
  deleteTopics(names: readonly string[]): Promise<void>;
  /** The first offset that can still be read. */
  earliestOffsets(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]>;
  /**
   * One past the last committed record: the position of a reader that has read everything.
   * `read_uncommitted`: the end of the log, including records of open transactions. A `read_committed` reader
   * reaches that offset once these transactions have ended.
   */
  latestOffsets(
    partitions: readonly TopicPartition[],
    isolation?: ReaderOptions['isolation'],
  ): Promise<readonly PartitionOffset[]>;
  /**
   * The offset of the first record with a timestamp at or after this time; the latest offset if there is
   * none.
   */
  offsetsAt(partitions: readonly TopicPartition[], timestamp: number): Promise<readonly PartitionOffset[]>;
  /**
   * Removes the records before these offsets; afterwards the earliest offset is at least the given one. Only
   * for topics with `delete` as their only cleanup policy. OFFSET_OUT_OF_RANGE, and nothing is removed, if an
   * offset is beyond the end of a log.
   */
  deleteRecords(before: readonly PartitionOffset[]): Promise<void>;
  /** The committed offsets of a group; partitions without one are left out. */
  groupOffsets(groupId: string): Promise<readonly PartitionOffset[]>;
  /** Sets committed offsets of a group without members. GROUP_FENCED while the group has members. */
  setGroupOffsets(groupId: string, offsets: readonly PartitionOffset[]): Promise<void>;
  /** The member ids of a group; empty for an unknown group. */
  groupMembers(groupId: string): Promise<readonly string[]>;
  /**
   * Deletes a group without members, and its offsets. GROUP_FENCED while it has members; does nothing for an
   * unknown group.
   */
  deleteGroup(groupId: string): Promise<void>;
}
