import type { Serde } from '../serdes/serde.js';

/**
 * What the rows of a store stand for. All are kept in the same way; `state` commands tell them apart, and a store cannot become one of another kind.
 *
 * - `keyValue`: one row a key
 * - `window`: one row a key and window
 * - `session`: one row a key, with all its sessions
 * - `sliding`: one row a key and stretch of time, with the windows that start there
 * - `versioned`: one row a key and moment
 * - `buffer`: what an operator holds back until it is due
 */
export type StoreKind = 'keyValue' | 'window' | 'session' | 'sliding' | 'versioned' | 'buffer';

/** A store as it is declared: plain data and two serdes. Its name is also the name of its changelog. */
// biome-ignore lint/suspicious/noExplicitAny: a list of stores holds stores of any key and value type
export interface StoreSpec<K = any, V = any> {
  readonly name: string;
  readonly kind: StoreKind;
  readonly key: Serde<K>;
  readonly value: Serde<V>;
  /** Rows older than this, in the store's own stream time, are gone. Default: rows stay. */
  readonly ttlMs?: number;
  /** From when the age of a row counts, if its key says so (the start of a window): writing it again does not prolong its life. Default: the row's timestamp. */
  readonly bornAt?: (key: K) => number;
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
 * A key-value store as processors see it: reads see everything written before, committed or not.
 *
 * Reading comes in two forms. `get` answers at once, for keys that were loaded for this record: its own key, and those declared by `reads`.
 * `load` answers any key, and may read the disk. Values are kept decoded and are shared with the store: never change one in place, put a new one.
 */
export interface KeyValueStore<K, V> {
  readonly name: string;
  /** The row's value, null if there is none. STORE_KEY_NOT_LOADED if the key was not declared. */
  get(key: K): V | null;
  /** The row with its timestamp. STORE_KEY_NOT_LOADED if the key was not declared. */
  row(key: K): Row<V> | null;
  /** Writes a row, null deletes it. The timestamp is event time: the record's own if left out. */
  put(key: K, value: V | null, timestamp?: number): void;
  /** Writes the row of a key that is known to have none: deleted again before the next commit, it reaches neither disk nor changelog. */
  insert(key: K, value: V, timestamp?: number): void;
  delete(key: K): void;
  /** The row's value, read from disk if need be. */
  load(key: K): Promise<V | null>;
  /** The store's own stream time: the highest timestamp it was told of, kept over restarts. Negative infinity at first. */
  readonly streamTime: number;
  /** Moves the store's stream time on: rows past their time to live are gone from here on. Writing a row does so too. */
  observe(timestamp: number): void;
  /** Rows in the byte order of their keys, with what is written and not yet committed. Reads the disk: cost grows with the rows listed. */
  entries(range?: RangeOptions<K>): AsyncIterable<readonly [key: K, value: V]>;
}
