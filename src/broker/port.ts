/**
 * What millrace needs of a broker: four small contracts. Nothing else in `src` knows a client library.
 *
 * | contract | for |
 * |---|---|
 * | {@link Admin} | topics, log offsets, group offsets |
 * | {@link Reader} | batches from given partitions and offsets, without a group |
 * | {@link Writer} | records to topics, optionally in transactions |
 * | {@link Membership} | which tasks of a group this process has, and its committed offsets |
 *
 * Where a broker knows users, any call may fail with BROKER_UNAUTHENTICATED, or with BROKER_UNAUTHORIZED,
 * which names the right that is missing.
 *
 * The contract suite in `test/broker/contract.ts` runs against every adapter.
 */
import type { StreamsError } from '../model/errors.js';
import type { Headers } from '../model/headers.js';

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface PartitionOffset extends TopicPartition {
  /** The next offset to read: one past the last record that is done. */
  readonly offset: number;
  /** A text kept with a committed offset, 4,096 bytes at most; left out if there is none. */
  readonly metadata?: string;
}

/** A map key for a partition. `:` cannot be part of a topic's name. */
export const partitionKey = (topic: string, partition: number): string => `${topic}:${partition}`;

/**
 * A record as it stands in the log. Key and value are views on the fetched bytes: copy what you keep. Null is
 * a tombstone (value) or no key.
 */
export interface BrokerRecord extends TopicPartition {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Headers;
}

/** A record to be written. The caller chooses the partition. */
export interface ProducerRecord extends TopicPartition {
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Headers;
  /**
   * Whatever tells its writer, should the broker refuse it, what it is: see {@link WriterOptions.onRefused}.
   */
  readonly origin?: unknown;
}

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

export interface PollOptions {
  readonly maxRecords: number;
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

export interface WriterOptions {
  /**
   * Makes the writer transactional: everything between begin and commit becomes visible at once or never.
   * Opening a second writer with the same id fences the first: its next call throws PRODUCER_FENCED, its open
   * transaction is aborted.
   */
  readonly transactionalId?: string;
  /**
   * With a transactional id: what the writer that had it before may have written. A cluster that was killed
   * may have lost the end of that writer's last transaction, which is then written again. Brokers within one
   * process lose none.
   */
  readonly touches?: Touches;
  /**
   * Told what became of each record: its offset, or its own error. In a transaction an offset says that the
   * record is in the log, and not yet that it will be committed. What abort and close throw away is not told.
   */
  readonly onResult?: (result: WriteResult) => void;
  /**
   * Told of each record with an `origin` that the broker does not take for what it is: it is larger than its
   * topic allows, or its timestamp or key is not what the topic asks for. Such a record is left out, and no
   * more. All others are written, in order, and the transaction can be committed. Called during `write` or
   * later, at the latest before `flush` resolves. A record without an `origin`, or of a writer without this
   * function, fails `flush` instead.
   */
  readonly onRefused?: (refused: RefusedRecord) => void;
}

/** A record that the broker has refused. */
export interface RefusedRecord extends TopicPartition {
  readonly origin: unknown;
  /** PRODUCE_FAILED, which says what was seen and what is allowed. */
  readonly error: StreamsError;
}

/** What became of records that follow each other in one partition. */
export interface WriteResult extends TopicPartition {
  /** Which: the how manyth the first of them is that this writer was given for the partition, from 0 on. */
  readonly from: number;
  readonly count: number;
  /**
   * Of the first of them. Undefined if there is an error, or a broker says no more than that it has them
   * already.
   */
  readonly offset?: number;
  /** Why they are not in the log, or, BROKER_UNAVAILABLE, why that is not known. */
  readonly error?: StreamsError;
}

export interface Touches {
  readonly groupId: string;
  /** Partitions whose offsets it commits to the group. */
  readonly sources: readonly TopicPartition[];
  /** Partitions that nobody else writes. */
  readonly own: readonly TopicPartition[];
  /** Other topics that it writes. */
  readonly topics: readonly string[];
}

export interface Writer {
  /**
   * The end of a transaction takes an offset of its own in each partition that the transaction wrote to, as
   * Kafka's markers do. Left out: it takes none.
   */
  readonly endMarkers?: true;
  /**
   * Hands records over, in order per partition. Returns a promise only when the writer's memory bound is
   * reached: await it before handing over more. The bytes must not change until flush. TRANSACTION_INVALID if
   * the writer has a transactional id and no transaction is open.
   */
  write(records: readonly ProducerRecord[]): Promise<void> | undefined;
  /**
   * Resolves when everything handed over has been acknowledged. PRODUCE_FAILED names the first record that
   * was not taken (and how many in all), BROKER_UNAVAILABLE if it is not known whether they were; in a
   * transaction, the transaction must then be aborted.
   */
  flush(): Promise<void>;
  /**
   * One past the offset of the last record of that partition that this writer had acknowledged; undefined if
   * it wrote none. Read after flush (in a transaction: after commit), it is where a reader continues that
   * knows everything this writer wrote.
   */
  acknowledged(topic: string, partition: number): number | undefined;
  /** Begins a transaction. TRANSACTION_INVALID if one is open or the writer has no transactional id. */
  begin(): Promise<void>;
  /**
   * Makes the commit of these group offsets part of the transaction. GROUP_FENCED if the member's generation
   * is over.
   */
  sendOffsets(membership: Membership, offsets: readonly PartitionOffset[]): Promise<void>;
  /**
   * Flushes, then makes all of the transaction visible. If it throws, the outcome is unknown: close the
   * writer, open a new one, read the group offsets again.
   */
  commit(): Promise<void>;
  /** Throws the open transaction away; does nothing if none is open. */
  abort(): Promise<void>;
  /** Aborts an open transaction, flushes what is not in one, releases. */
  close(): Promise<void>;
}

/**
 * What the members of a group tell the leader of it, and what the leader decides for each. Opaque bytes: the
 * runtime writes and reads them.
 */
export interface GroupMember {
  readonly memberId: string;
  readonly metadata: Buffer;
}

export interface MembershipOptions {
  readonly groupId: string;
  /**
   * The topics this member can read; their partition counts are watched, and a change of them rebalances the
   * group.
   */
  readonly topics: readonly string[];
  /**
   * Static membership (KIP-345): a process that joins again under this name within the session takes its old
   * place, without a rebalance, and one that leaves keeps it for so long. Another process with the same name
   * puts this one out: INSTANCE_FENCED. Brokers within one process, whose members cannot outlive it, give the
   * place free at once. Default: none.
   */
  readonly instanceId?: string;
  /**
   * Aborted: a join that still waits for the group is given up at once, and rejects with GROUP_FENCED.
   * Afterwards it changes nothing: see {@link Membership.leave}.
   */
  readonly signal?: AbortSignal;
  /**
   * After so long without a sign of life the broker puts a member out. Default 10 s. Brokers within one
   * process need none.
   */
  readonly sessionMs?: number;
  /** Sent to the leader whenever the group rebalances. Called anew each time. */
  readonly metadata: () => Buffer;
  /**
   * The same for members of an older version, who cannot read it: while a group has such, the leader is given
   * this of all. Undefined: the group cannot be shared with them. Brokers within one process, where none are,
   * never ask.
   */
  readonly olderMetadata?: () => Buffer | undefined;
  /**
   * Called on the leader only, with all members in a stable order: what each of them gets. A member that is
   * left out gets an empty buffer. If it throws, the member that leads leaves the group with that error
   * (`onLost`).
   */
  readonly assign: (members: readonly GroupMember[]) => Promise<ReadonlyMap<string, Buffer>>;
  /** This member's assignment of a new generation. */
  readonly onAssigned: (assignment: Buffer) => Promise<void>;
  /**
   * Before the group moves on to another generation: awaited, and may still commit offsets. The old
   * assignment is over when it resolves.
   */
  readonly onRevoked: () => Promise<void>;
  /** The member was put out of the group (or could not stay): nothing can be committed any more. */
  readonly onLost: (error: Error) => void;
  /**
   * This process was busy for at least half a session, so long that it could not give a sign of life: told
   * afterwards, with the milliseconds. Brokers within one process need none.
   */
  readonly onBusy?: (ms: number) => void;
}

export interface Membership {
  readonly groupId: string;
  readonly memberId: string;
  readonly generation: number;
  /** Commits offsets to the group, all or none. GROUP_FENCED if this member or its generation is over. */
  commit(offsets: readonly PartitionOffset[]): Promise<void>;
  /**
   * Committed offsets of the group for these partitions, stable (no transaction pending on them): those
   * without one are left out.
   */
  committed(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]>;
  /** onRevoked, then out of the group (see `instanceId`). Calling it again does nothing. */
  leave(): Promise<void>;
}

export interface Broker {
  readonly admin: Admin;
  createReader(options?: ReaderOptions): Promise<Reader>;
  createWriter(options?: WriterOptions): Promise<Writer>;
  /** Joins a group; resolves after the first onAssigned. */
  join(options: MembershipOptions): Promise<Membership>;
  /**
   * The same broker for somebody who may have to go: once the signal is aborted, a cluster that is away is
   * waited for a few seconds only, and whatever is asked then fails with BROKER_UNAVAILABLE. Left out where
   * the broker is part of this process. It is closed with the broker that it is made of.
   */
  hurried?(signal: AbortSignal): Broker;
  /** Closes everything that was created and not closed. Calling it again does nothing. */
  close(): Promise<void>;
}
