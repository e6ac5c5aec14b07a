import type { Serde } from '../../serdes/serde.js';

/**
 * The brand of a global table. It is a registered symbol, because a user's file may load another copy of this
 * library than the runner.
 */
export const GLOBAL_TABLE = Symbol.for('millrace.globalTable');

/**
 * A table with all its rows in every process. It is not a stream: it cannot be piped, and its changes emit
 * nothing. `joinGlobalTable` and `leftJoinGlobalTable` join it, and `process` reads it by the name of its
 * store.
 */
export interface GlobalTable<K, V> {
  readonly topic: string;
  readonly store: string;
  readonly [GLOBAL_TABLE]: { readonly key: Serde<K>; readonly value: Serde<V> };
}

/** Whether a value is a global table, of this or another copy of the library. */
export function isGlobalTable(value: unknown): value is GlobalTable<unknown, unknown> {
  return typeof value === 'object' && value !== null && GLOBAL_TABLE in value;
}
