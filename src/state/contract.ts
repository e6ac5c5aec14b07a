import type { Serde } from '../serdes/serde.js';

/**
 * What the rows of a store represent. All kinds are stored in the same way; `state` commands show the kind,
 * and a store cannot change it.
 *
 * - `keyValue`: one row per key
 * - `window`: one row per key and window
 * - `session`: one row per key, with all its sessions
 * - `sliding`: one row per key and stretch of time, with the windows that start there
 * - `versioned`: one row per key; another store keeps its past values
 * - `versions`: these past values
 * - `buffer`: records that an operator holds back until they are due
 */
export type StoreKind = 'keyValue' | 'window' | 'session' | 'sliding' | 'versioned' | 'versions' | 'buffer';

/** A declared store: plain data and two serdes. Its name also names its changelog. */
// biome-ignore lint/suspicious/noExplicitAny: a list of stores holds stores of any key and value type
export interface StoreSpec<K = any, V = any> {
  readonly name: string;
  readonly kind: StoreKind;
  readonly key: Serde<K>;
  readonly value: Serde<V>;
  /** Rows older than this, in the store's own stream time, have expired. Default: rows stay. */
  readonly ttlMs?: number;
  /**
   * The time from which the age of a row counts, if the key determines it (the start of a window): writing
   * the row again does not prolong its life. Default: the row's timestamp.
   */
  readonly bornAt?: (key: K) => number;
  /**
   * Past values are kept for this long, in the store's own stream time, in another store of the task.
   * Required for the kind `versioned`.
   */
  readonly history?: { readonly ms: number; readonly store: string };
  /**
   * The public view: what users see instead of the stored rows, where a row packs several entries, such as
   * the sessions of a key. Default: the rows.
   */
  readonly shown?: ShownRows<K, V>;
  /**
   * For rows with any number of items: such a row is stored in pages, so that no changelog record grows with
   * it.
   */
  readonly items?: RowItems<V>;
}

/**
 * How to split a row with any number of items. Users of the store see whole rows of any length; see
 * `RowPages` for the storage of long ones.
 */
export interface RowItems<V> {
  /** The items in the order that `with` expects. An unchanged item must be the same object as before. */
  of(row: V): readonly object[];
  /** The approximate number of bytes that an item adds to the row. */
  size(item: object): number;
  /** The row with other items. Without items the row must be small: it is written with each change. */
  with(row: V, items: readonly object[]): V;
  /** A row with these items and a minimum of other data. Default: `with`. */
  page?(row: V, items: readonly object[]): V;
}

/** A row in the public view. */
export interface ShownRow<K, V> {
  readonly key: K;
  readonly value: V;
  readonly timestamp: number;
}

/** The public view of a store's rows. */
// biome-ignore lint/suspicious/noExplicitAny: the public view has its own key and value types
export interface ShownRows<K, V, ShownK = any, ShownV = any> {
  readonly key: Serde<ShownK>;
  readonly value: Serde<ShownV>;
  /** As of a store: from when the age of what is shown counts, if its key says so. */
  readonly bornAt?: (key: ShownK) => number;
  /** The key of the stored row that holds this public key. */
  rowOf(key: ShownK): K;
  /** The public rows in a stored row at this stream time of the store, ordered by public key. */
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
 * There are two ways to read. `get` is synchronous, for keys that were loaded for this record: its own key,
 * and those declared by `reads`. `load` reads any key, and may read the disk. Values stay decoded and are
 * shared with the store: never change one in place, put a new one.
 */
export interface KeyValueStore<K, V> {
  readonly name: string;
  /** The row's value, null if there is none. Errors: STORE_KEY_NOT_LOADED if the key was not declared. */
  get(key: K): V | null;
  /** The row with its timestamp. Errors: STORE_KEY_NOT_LOADED if the key was not declared. */
  row(key: K): Row<V> | null;
  /** Writes a row; null deletes it. The timestamp is event time. Default: the record's timestamp. */
  put(key: K, value: V | null, timestamp?: number): void;
  delete(key: K): void;
  /** The row's value, read from disk if necessary. */
  load(key: K): Promise<V | null>;
  /**
   * The store's own stream time: the highest timestamp that it has received, kept over restarts. Negative
   * infinity at first.
   */
  readonly streamTime: number;
  /**
   * Rows in the byte order of their keys, as of the start of the listing: including earlier uncommitted
   * writes, without later ones. Reads the disk: the cost grows with the rows listed.
   */
  entries(range?: RangeOptions<K>): AsyncIterable<readonly [key: K, value: V]>;
}

/** The view of a store for millrace's own operators, which rely on loaded rows and skip unnecessary reads. */
export interface OperatorStore<K, V> extends KeyValueStore<K, V> {
  /** As `get`; undefined if the row would have to be read from disk. */
  getIfLoaded(key: K): V | null | undefined;
  /**
   * Writes the row of a key that certainly has none. If it is deleted again before the next commit, it
   * reaches neither disk nor changelog.
   */
  insert(key: K, value: V, timestamp?: number): void;
  /**
   * Errors: SERIALIZE_FAILED if the value cannot be put. For callers that change other data before the put.
   */
  check(value: V | null): void;
  /**
   * Reads rows in one round trip, so that `get` and `row` can return them. Returns a promise only if it reads
   * the disk.
   */
  loadAll(keys: readonly K[]): void | Promise<void>;
  /**
   * Advances the store's stream time: rows past their time to live have expired from then on. Writing a row
   * does so too.
   */
  advanceTime(timestamp: number): void;
}

/**
 * The result of putting a version: it is the row's newest; it is one of the past; or it was dropped, because
 * it is older than the history.
 */
export type VersionOutcome = 'newest' | 'outOfOrder' | 'expired';

/**
 * A store that keeps the past values of its rows. A value holds from its timestamp until the timestamp of the
 * next one. The order of timestamps counts, not the order of the puts; a value with an equal timestamp
 * replaces the earlier one. A deletion is a version, too. Lookups without a moment see the newest version.
 *
 * At moments older than the store's stream time by more than its history, nothing is found and nothing can be
 * put.
 *
 * Cost of a lookup as of a moment: one row if the newest version holds then, else two; three if the row has
 * more than 16 older versions. Memory and disk: all versions within the history, and at most one older
 * version per row.
 */
export interface VersionedStore<K, V> extends KeyValueStore<K, V> {
  readonly historyMs: number;
  /**
   * The value as of a moment. Default: the newest version. Errors: STORE_KEY_NOT_LOADED if the key was not
   * declared, or if a row has many versions and the part with the moment is not loaded: see `load`.
   */
  get(key: K, asOf?: number): V | null;
  /** The version that holds at a moment, with the timestamp at which it began. */
  row(key: K, asOf?: number): Row<V> | null;
  /** Adds a version. Null: from the timestamp on there is no row. */
  put(key: K, value: V | null, timestamp?: number): VersionOutcome;
  /** The value as of a moment, read from disk if necessary. */
  load(key: K, asOf?: number): Promise<V | null>;
}

/** The view of a versioned store for millrace's own operators. */
export interface OperatorVersionedStore<K, V>
  extends VersionedStore<K, V>,
    Omit<OperatorStore<K, V>, keyof KeyValueStore<K, V>> {
  /** Whether `get` and `put` at that moment need no disk read. */
  isLoaded(key: K, asOf?: number): boolean;
  /** Loads the data that `get` and `put` at that moment need; returns a promise only if it reads the disk. */
  prepare(key: K, timestamp: number): void | Promise<void>;
}
