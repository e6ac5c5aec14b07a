import type { StreamsError } from '../../model/errors.js';
import type { Membership } from './membership.js';
import type { PartitionOffset, ProducerRecord, TopicPartition } from './records.js';

export interface WriterOptions {
  /**
   * Makes the writer transactional: everything between begin and commit becomes visible at once or never.
   * Opening a second writer with the same id fences the first: its next call throws PRODUCER_FENCED, and its
   * open transaction is aborted.
   */
  readonly transactionalId?: string;
  /**
   * With a transactional id: what the previous writer with this id may have written. A cluster that was
   * killed may have lost the end of that writer's last transaction, which is then written again. Brokers
   * within one process lose none.
   */
  readonly transactionScope?: TransactionScope;
  /**
   * Called with the outcome of each record: its offset, or its own error. In a transaction, an offset means
   * that the record is in the log, not yet that it will be committed. Not called for records that abort or
   * close discard.
   */
  readonly onResult?: (result: WriteResult) => void;
  /**
   * Called for each record with an `origin` that the broker refuses. Reasons are a record larger than its
   * topic allows, or a timestamp or key that the topic does not accept. Only that record is left out. All
   * others are written, in order, and the transaction can be committed. Called during `write` or later, at
   * the latest before `flush` resolves. A refused record fails `flush` instead if it has no `origin`, or if
   * its writer lacks this function.
   */
  readonly onRefused?: (refused: RefusedRecord) => void;
}

/** A record that the broker refused. */
export interface RefusedRecord extends TopicPartition {
  readonly origin: unknown;
  /** PRODUCE_FAILED, with what was seen and what is allowed. */
  readonly error: StreamsError;
}

/** The outcome of consecutive records of one partition. */
export interface WriteResult extends TopicPartition {
  /**
   * Zero-based sequence, per partition, of the first of these records among all that this writer was given.
   */
  readonly from: number;
  readonly count: number;
  /**
   * The offset of the first record. Undefined if there is an error, or if the broker only reports that it
   * already has the records.
   */
  readonly offset?: number;
  /** Why the records are not in the log; BROKER_UNAVAILABLE if it is unknown whether they are. */
  readonly error?: StreamsError;
}

export interface TransactionScope {
  readonly groupId: string;
  /** Source partitions: the transaction commits their offsets to the group. */
  readonly sources: readonly TopicPartition[];
  /** Partitions that no other producer writes. */
  readonly own: readonly TopicPartition[];
  /** Other topics that the transaction writes. */
  readonly topics: readonly string[];
}

export interface Writer {
  /**
   * True if the end of a transaction takes an offset of its own in each partition that the transaction wrote
   * to, as Kafka's markers do. Left out: it takes none.
   */
  readonly endMarkers?: true;
  /**
   * Queues records, in order per partition. Returns a promise only when the writer's memory bound is reached:
   * await it before writing more. The bytes must not change until flush. TRANSACTION_INVALID if the writer
   * has a transactional id and no transaction is open.
   */
  write(records: readonly ProducerRecord[]): Promise<void> | undefined;
  /**
   * Resolves when all written records have been acknowledged. PRODUCE_FAILED names the first record that the
   * broker refused, and how many in all. BROKER_UNAVAILABLE means that it is unknown whether records were
   * written. In a transaction, abort after either error.
   */
  flush(): Promise<void>;
  /**
   * One past the offset of the last record of this partition that the broker acknowledged to this writer;
   * undefined if there is none. After flush (in a transaction: after commit), a reader that already has
   * everything this writer wrote continues there.
   */
  acknowledged(topic: string, partition: number): number | undefined;
  /** Begins a transaction. TRANSACTION_INVALID if one is open or the writer has no transactional id. */
  begin(): Promise<void>;
  /**
   * Adds the commit of these group offsets to the transaction. GROUP_FENCED if the member's generation is no
   * longer current.
   */
  sendOffsets(membership: Membership, offsets: readonly PartitionOffset[]): Promise<void>;
  /**
   * Flushes, then makes the whole transaction visible. If it throws, the outcome is unknown: close the
   * writer, open a new one, and read the group offsets again.
   */
  commit(): Promise<void>;
  /** Discards the open transaction; does nothing if none is open. */
  abort(): Promise<void>;
  /** Aborts an open transaction, flushes records that are not in one, and releases all resources. */
  close(): Promise<void>;
}
