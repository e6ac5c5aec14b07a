import type { Duration } from '../model/duration.js';
import type { Serde } from '../serdes/serde.js';
import type { GlobalTable } from './common/global-table.js';
import type { PolicyOptions } from './contract/policy-options.js';
import type { Stream, Table } from './contract/types.js';

export interface StreamOptions<K, V> extends PolicyOptions {
  readonly key: Serde<K>;
  readonly value: Serde<V>;
  /**
   * Returns the event time in milliseconds, from the record. Default: the record's own timestamp. Declare the
   * function once and pass the same one each time.
   *
   * Records of several topics are taken in the order of their event times, both live and in a replay. So a
   * record is decoded early, once, if this function returns its time. A record has no event time if the
   * function throws for it or if it does not decode. It is then taken as soon as it is the next of its
   * partition. A record without a value (the deletion of a row) keeps the timestamp of the log if the
   * function throws for it or returns none.
   */
  readonly timestamp?: (value: V, key: K) => number;
  /**
   * How far the timestamp of a record may be ahead of stream time, the highest timestamp that its task has
   * seen. The `onError.deserialize` policy applies to a record further ahead (TIME_JUMP), and the record does
   * not advance time. Without a limit, a single record with a wrong clock would close all windows and expire
   * all rows for good. Default: any time is accepted.
   *
   * The first record of a partition is always accepted. So is the tenth of a run of consecutive records in a
   * partition that are too far ahead, each within this limit of the one before. So time resumes by itself
   * after a silence; the records refused until then are in the dead letters, if those are kept. Choose a
   * limit longer than the usual silence of a partition. Only timestamps decide, so a replay refuses the same
   * records.
   */
  readonly maxTimeJump?: Duration;
}

export interface TableOptions<K, V> extends StreamOptions<K, V> {
  /** The store that holds the rows. */
  readonly store: string;
  /**
   * Makes the table versioned: how long past values of its rows can be looked up, in its own stream time.
   * Default: not at all.
   */
  readonly history?: Duration;
}

/** No task reads a global table, so it advances no stream time, and it keeps no past. */
export type GlobalTableOptions<K, V> = Omit<TableOptions<K, V>, 'maxTimeJump' | 'history'>;

/** The argument of a topology function: it declares the inputs of the topology. */
export interface TopologyBuilder {
  /**
   * The records of a topic, in the order of each partition.
   *
   * No state. If a record does not decode, the `onError.deserialize` policy applies (DESERIALIZE_FAILED).
   * Null values pass: in a stream a tombstone is a record like any other.
   *
   * ```ts
   * const orders = t.stream('orders', { key: serdes.string, value: serdes.json<Order>() });
   * ```
   */
  stream<K, V>(topic: string, options: StreamOptions<K, V>): Stream<K, V>;
  /**
   * The rows of a topic: each record replaces the row of its key, a null value deletes it.
   *
   * State: one row per key in `store`, and its changelog. Rows follow the order of arrival, whatever their
   * timestamps, as in Kafka Streams. Records with a null key are dropped and counted. Every record is passed
   * on as a change, including unchanged values and repeated deletions.
   *
   * ```ts
   * const accounts = t.table('accounts', { key: serdes.string, value: serdes.json<Account>(), store: 'accounts' });
   * ```
   *
   * **Versioned**, with `history`: timestamps decide the value of a row, in whatever order records arrive.
   * Each value is valid from its timestamp until the next value's. A value with an equal timestamp replaces
   * the earlier one, and a deletion is a value like any other. A stream joined with the table sees its rows
   * as of the record's own timestamp (`joinTable`). `process` and `StoreView` see them as of any moment
   * within the history.
   *
   * - A record older than the newest one of its key is *out of order*: it changes the past but not the row.
   *   It is passed on with `outOfOrder` true and the value known for that moment as `previous`, and counted
   *   (`out-of-order`). `toStream`, `mapValues` and `filterValues` pass it on; `groupBy`, folds and joins
   *   with other tables leave it out.
   * - A record older than the table's highest timestamp (of all keys in its partition) by more than `history`
   *   is dropped and counted (`expired`).
   * - State: the newest values in `store`. Older ones are in `<store>-versions`, in a list per key that has
   *   any, in chunks of at most 256 versions. Both have a changelog. Values that were not valid within the
   *   history are removed: per commit at most twice as many lists as changed, or 1,000. Cost: two look-ups
   *   and at most two writes per record, or one of each if the row was not changed within the history. A row
   *   with more than 16 past values costs one more of each. A list is written whole; of a list above 32 KiB
   *   only the changed pages are written.
   *
   * CONFIG_INVALID for a history of zero. Semantics: versioned state stores of Kafka Streams (KIP-889,
   * KIP-914).
   *
   * ```ts
   * const prices = t.table('prices', { key: serdes.string, value: serdes.double, store: 'prices', history: '30d' });
   * ```
   */
  table<K, V>(topic: string, options: TableOptions<K, V>): Table<K, V>;
  /**
   * The rows of a topic, all of them in every process. The table can be joined by any key
   * (`joinGlobalTable`), without co-partitioning and without a repartition. Use it for a table that fits on
   * every machine and changes seldom. It is not a stream and cannot be piped.
   *
   * State: one row per key in `store`, in a database that all tasks of the process share, in
   * `<state>/<application>/global`. (Another engine of the application on the same state directory has its
   * own, `global.2`.) The topic itself is the changelog: no other is created, and the topic may be compacted.
   * All partitions are read from the beginning, whatever `startFrom` says, up to their ends before any task
   * begins. After that they are read in the background, outside transactions, committed records only. The
   * read positions are stored with the rows, so a restart reads only new records.
   *
   * A topic that was recreated, or lost records that were not read yet, is read again from the beginning,
   * with a warning. A recreated topic that is already longer than the old one cannot be detected. If the
   * topic changes so while the application runs, the application ends with OFFSET_OUT_OF_RANGE, and the next
   * start reads the topic again. Partitions that are added while the application runs are read from its next
   * start on.
   *
   * Rows follow the order of arrival within a partition, whatever their timestamps. Records of several
   * partitions that are read together are taken in the order of event times. Null keys are dropped and
   * counted (`null-key`). If a record does not decode, the `onError.deserialize` policy applies. Its dead
   * letter is written before the rows after it, at least once. Cost: one write per record, and disk for all
   * rows in each process, without a limit. Memory: a batch of 10,000 records while it loads, 20,000 records
   * read ahead (at least 500 per partition), and rows cached within `cacheBytes`.
   *
   * ```ts
   * const rates = t.globalTable('rates', { key: serdes.string, value: serdes.double, store: 'all-rates' });
   * ```
   */
  globalTable<K, V>(topic: string, options: GlobalTableOptions<K, V>): GlobalTable<K, V>;
}
