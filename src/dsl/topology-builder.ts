import type { Duration } from '../model/duration.js';
import type { Serde } from '../serdes/serde.js';
import type { GlobalTable } from './global-table.js';
import type { Stream, Table } from './types.js';

export interface StreamOptions<K, V> {
  readonly key: Serde<K>;
  readonly value: Serde<V>;
  /**
   * Event time in milliseconds, taken from the record. Default: the record's own timestamp. Must be a
   * function declared once, not one per call.
   *
   * Records of several topics are taken in the order of their event times, live and in a replay; so a record
   * whose time this function says is decoded before its turn, once. One for which it throws, or that does not
   * decode, has no time: it comes as soon as it is the next of its partition. A record
   * without a value (the deletion of a row) keeps the timestamp of the log where the function throws for it,
   * or returns none.
   */
  readonly timestamp?: (value: V, key: K) => number;
  /**
   * How far ahead of stream time, the highest timestamp that its task has seen, the timestamp of a record may
   * be. One that is further ahead goes the way of `onError.deserialize` (TIME_JUMP) and moves no time: a
   * single record with a wrong clock would close all windows and end the life of all rows, for ever. Default:
   * any time is taken.
   *
   * The first record of a partition is believed. So is the tenth of records that follow each other in a
   * partition, all too far ahead and none further than this from the one before: after a silence, time goes
   * on by itself, and what was refused meanwhile is in the dead letters, if they are kept. Choose it longer
   * than a partition is usually silent. Nothing but timestamps decides, so a replay refuses the same records.
   */
  readonly maxTimeJump?: Duration;
}

export interface TableOptions<K, V> extends StreamOptions<K, V> {
  /** The store that holds the rows. */
  readonly store: string;
  /**
   * Makes it a versioned table: how long past values of its rows can be looked up, in its own stream time.
   * Default: not at all.
   */
  readonly history?: Duration;
}

/** No task reads it, so it moves no stream time, and it keeps no past. */
export type GlobalTableOptions<K, V> = Omit<TableOptions<K, V>, 'maxTimeJump' | 'history'>;

/** What a topology function is given: the ways in. */
export interface TopologyBuilder {
  /**
   * The records of a topic, in order of each partition.
   *
   * No state. A record that does not decode goes the way of `onError.deserialize` (DESERIALIZE_FAILED). Null
   * values pass: in a stream a tombstone is a record like any other.
   *
   * ```ts
   * const orders = t.stream('orders', { key: serdes.string, value: serdes.json<Order>() });
   * ```
   */
  stream<K, V>(topic: string, options: StreamOptions<K, V>): Stream<K, V>;
  /**
   * The rows of a topic: each record replaces the row of its key, a null value deletes it.
   *
   * State: one row a key in `store`, and its changelog. Rows follow the order of arrival, whatever their
   * timestamps, as in Kafka Streams; records with a null key are dropped and counted. Every record is passed
   * on as a change, unchanged values and repeated deletions included.
   *
   * ```ts
   * const accounts = t.table('accounts', { key: serdes.string, value: serdes.json<Account>(), store: 'accounts' });
   * ```
   *
   * **Versioned**, with `history`: a row is what its timestamps say, in whatever order records arrive. Each
   * value holds from its timestamp until that of the next; one of equal time replaces, and a deletion is a
   * value like any other. A stream joined with the table sees its rows as of the record's own timestamp
   * (`joinTable`), `process` and `StoreView` as of any moment within the history.
   *
   * - A record older than the newest one of its key is *out of order*: it changes the past and not the row.
   *   It is passed on (`outOfOrder` is true, `previous` is what was known of that moment) and counted
   *   (`out-of-order`); `toStream`, `mapValues` and `filterValues` pass it on, `groupBy`, folds and joins
   *   with other tables leave it out.
   * - A record older than the highest timestamp of the table (of all keys in its partition) by more than
   *   `history` is dropped and counted (`expired`).
   * - State: the newest values in `store`, older ones in `<store>-versions`, a list for each key that has
   *   any, in chunks of at most 256 versions. Both have a changelog. What has not held within the history is
   *   removed, at least 1,000 lists a commit. Cost: two look-ups and at most two writes a record (one of
   *   each, if the row was not changed within the history), one more of each if a row has more than 16 past
   *   values; a list is written whole, of one above 32 KiB the pages that changed.
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
   * The rows of a topic, all of them in every process: a table that is joined by any key, without
   * co-partitioning and without a repartition (`joinGlobalTable`). For what is small enough to be on every
   * machine and changes seldom. Not a stream: it cannot be piped.
   *
   * State: one row a key in `store`, in a database that all tasks of the process share, in
   * `<state>/<application>/global` (another engine of the application on the same state directory has one of
   * its own, `global.2`). The topic itself is the changelog: none is made, and the topic may be compacted.
   * All partitions are read from the beginning, whatever `startFrom` says, and up to their ends before any
   * task begins; after that in the background, outside of transactions, committed records only. What was read
   * is remembered with the rows, so a restart reads what is new.
   *
   * A topic that has been made anew, or has lost records that were not read yet, is read again from the
   * beginning, with a warning; one that was made anew and is longer than the old one by now cannot be told
   * from it. If it happens while the application runs, that ends with OFFSET_OUT_OF_RANGE, and the next start
   * reads it again. Partitions that are added while the application runs are read from its next start on.
   *
   * Rows follow the order of arrival within a partition, whatever their timestamps; what is in several
   * partitions when it is read is taken in the order of event times. Null keys are dropped and counted
   * (`null-key`). What does not decode goes the way of `onError.deserialize`; its dead letters are written
   * before the rows behind them, at least once. Cost: one write a record; disk for all rows in each process,
   * which has no bound; memory for a batch of 10,000 records while it loads and 20,000 read ahead (500 a
   * partition at least), and rows cached within `cacheBytes`.
   *
   * ```ts
   * const rates = t.globalTable('rates', { key: serdes.string, value: serdes.double, store: 'all-rates' });
   * ```
   */
  globalTable<K, V>(topic: string, options: GlobalTableOptions<K, V>): GlobalTable<K, V>;
}
