import type { Serde } from '../serdes/serde.js';

/**
 * What the rows of a store stand for. All are kept in the same way; `state` commands tell them apart, and a
 * store cannot become one of another kind.
 *
 * - `keyValue`: one row a key
 * - `window`: one row a key and window
 * - `session`: one row a key, with all its sessions
 * - `sliding`: one row a key and stretch of time, with the windows that start there
 * - `versioned`: one row a key, whose past values are kept in another store
 * - `versions`: these
 * - `buffer`: what an operator holds back until it is due
 */
export type StoreKind = 'keyValue' | 'window' | 'session' | 'sliding' | 'versioned' | 'versions' | 'buffer';

/** A store as it is declared: plain data and two serdes. Its name is also the name of its changelog. */
// biome-ignore lint/suspicious/noExplicitAny: a list of stores holds stores of any key and value type
export interface StoreSpec<K = any, V = any> {
  readonly name: string;
  readonly kind: StoreKind;
  readonly key: Serde<K>;
  readonly value: Serde<V>;
  /** Rows older than this, in the store's own stream time, are gone. Default: rows stay. */
  readonly ttlMs?: number;
  /**
   * From when the age of a row counts, if its key says so (the start of a window): writing it again does not
   * prolong its life. Default: the row's timestamp.
   */
  readonly bornAt?: (key: K) => number;
  /**
   * Past values are kept, so long in the store's own stream time, in another store of the task. Required for
   * the kind `versioned`.
   */
  readonly history?: { readonly ms: number; readonly store: string };
  /**
   * What people are shown, where a row is not what the store is about: the sessions of a key, of a row that
   * has all of them. Default: the rows.
   */
  readonly shown?: ShownRows<K, V>;
  /**
   * What a row may hold any number of: it is then kept in pages, and no record of the changelog grows with
   * it.
   */
  readonly items?: RowItems<V>;
}

/**
 * How a row is taken apart that may hold any number of items. Who uses the store sees whole rows, of
 * whatever length: see `RowPages` for how long ones are kept.
 */
export interface RowItems<V> {
  /** In the order in which `with` takes them. One that has not changed must be the same object as before. */
  of(row: V): readonly object[];
  /** How many bytes an item adds to the row, about. */
  size(item: object): number;
  /** The row with other items. Without any, what is left must be small: it is written with each change. */
  with(row: V, items: readonly object[]): V;
  /** A row that has these items and no more than it must have besides. Default: `with`. */
  page?(row: V, items: readonly object[]): V;
}

/** A row as people see it. */
export interface ShownRow<K, V> {
  readonly key: K;
  readonly value: V;
  readonly timestamp: number;
}

/** How the rows of a store are shown. */
// biome-ignore lint/suspicious/noExplicitAny: what is shown has keys and values of its own types
export interface ShownRows<K, V, ShownK = any, ShownV = any> {
  readonly key: Serde<ShownK>;
  readonly value: Serde<ShownV>;
  /** Where in the store it is kept. */
  rowOf(key: ShownK): K;
  /** What a row holds at that stream time of the store, in the order of the keys shown. */
  of(key: K, value: V, streamTime: number): Iterable<ShownRow<ShownK, ShownV>>;
}

export interface Row<V> {
  readonly value: V;
  readonly timestamp: number;
}

/** Which rows to list, by the bytes of their keys. */
export interface RangeOptions<K> {
  /** First key, included. */
  readonly from?: K;
  /** Last key, included. */
  readonly to?: K;
  readonly reverse?: boolean;
}

/**
 * A key-value store as `process` sees it: reads see everything written before, committed or not.
 *
 * Reading comes in two forms. `get` answers at once, for keys that were loaded for this record: its own key,
 * and those declared by `reads`. `load` answers any key, and may read the disk. Values are kept decoded and
 * are shared with the store: never change one in place, put a new one.
 */
export interface KeyValueStore<K, V> {
  readonly name: string;
  /** The row's value, null if there is none. STORE_KEY_NOT_LOADED if the key was not declared. */
  get(key: K): V | null;
  /** The row with its timestamp. STORE_KEY_NOT_LOADED if the key was not declared. */
  row(key: K): Row<V> | null;
  /** Writes a row, null deletes it. The timestamp is event time: the record's own if left out. */
  put(key: K, value: V | null, timestamp?: number): void;
  delete(key: K): void;
  /** The row's value, read from disk if need be. */
  load(key: K): Promise<V | null>;
  /**
   * The store's own stream time: the highest timestamp that it has seen, kept over restarts. Negative
   * infinity at first.
   */
  readonly streamTime: number;
  /**
   * Rows in the byte order of their keys, as they are when the listing begins: with what is written by then
   * and not yet committed, without what comes later. Reads the disk: cost grows with the rows listed.
   */
  entries(range?: RangeOptions<K>): AsyncIterable<readonly [key: K, value: V]>;
}

/** A store as the operators of millrace see it, which know what they have loaded and what they may skip. */
export interface OperatorStore<K, V> extends KeyValueStore<K, V> {
  /** As `get`; undefined if the row would have to be read from disk. */
  getIfLoaded(key: K): V | null | undefined;
  /**
   * Writes the row of a key that is known to have none: deleted again before the next commit, it reaches
   * neither disk nor changelog.
   */
  insert(key: K, value: V, timestamp?: number): void;
  /** SERIALIZE_FAILED if the value cannot be put: asked before something else is changed. */
  check(value: V | null): void;
  /**
   * Reads rows so that `get` and `row` answer for them, all in one round trip. A promise only if the disk has
   * to be read.
   */
  loadAll(keys: readonly K[]): void | Promise<void>;
  /**
   * Moves the store's stream time on: rows past their time to live are gone from here on. Writing a row does
   * so too.
   */
  advanceTime(timestamp: number): void;
}

/**
 * What became of a version that was put: the row's newest; one of the past; or nothing, since it is older
 * than the history.
 */
export type VersionOutcome = 'newest' | 'outOfOrder' | 'expired';

/**
 * A store whose rows keep their past values: every value is the row's from its timestamp on, until that of
 * the next one. The order of timestamps counts, not that in which they were put; one of equal time replaces.
 * A deletion is a version, too. Without a moment, look-ups see the newest version.
 *
 * Older than the store's stream time by more than its history, nothing is found, and nothing can be put.
 *
 * Cost of a look-up as of a moment: one row if the newest version holds then, else two, and three if the row
 * has more than 16 older versions. Memory and disk: all versions within the history, and at most one older
 * one a row.
 */
export interface VersionedStore<K, V> extends KeyValueStore<K, V> {
  readonly historyMs: number;
  /**
   * The value as of a moment; of the newest version if left out. STORE_KEY_NOT_LOADED if the key was not
   * declared, or of a row with many versions the part that holds the moment: see `load`.
   */
  get(key: K, asOf?: number): V | null;
  /** The version that holds at a moment, with the timestamp that it began at. */
  row(key: K, asOf?: number): Row<V> | null;
  /** Adds a version. Null: from the timestamp on there is no row. */
  put(key: K, value: V | null, timestamp?: number): VersionOutcome;
  /** The value as of a moment, read from disk if need be. */
  load(key: K, asOf?: number): Promise<V | null>;
}

/** A versioned store as the operators of millrace see it. */
export interface OperatorVersionedStore<K, V>
  extends VersionedStore<K, V>,
    Omit<OperatorStore<K, V>, keyof KeyValueStore<K, V>> {
  /** Whether `get` and `put` at that moment do not have to read the disk. */
  isLoaded(key: K, asOf?: number): boolean;
  /**
   * Makes sure that `get` and `put` at that moment find what they need: a promise only if it must be read
   * from disk.
   */
  prepare(key: K, timestamp: number): void | Promise<void>;
}
