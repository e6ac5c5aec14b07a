import type { StreamsError } from '../../model/errors.js';
import type { Membership } from './membership.js';
import type { PartitionOffset, ProducerRecord, TopicPartition } from './records.js';

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
  readonly transactionScope?: TransactionScope;
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
  /** The number of the first of them among all that this writer was given for the partition, from 0 on. */
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

export interface TransactionScope {
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
