import type { Serde } from '../serdes/serde.js';

/**
 * The brand of a global table. A registered symbol, because a user's file may load another copy of this
 * library than the runner.
 */
export const GLOBAL_TABLE = Symbol.for('millrace.globalTable');

/**
 * A table of which every process has all rows. It is no stream: it cannot be piped, and nothing follows from
 * its changes. Joined by `joinGlobalTable` and `leftJoinGlobalTable`, and read by `process` under the name of
 * its store.
 */
export interface GlobalTable<K, V> {
  readonly topic: string;
  readonly store: string;
  readonly [GLOBAL_TABLE]: { readonly key: Serde<K>; readonly value: Serde<V> };
}

/** Whether a value is a global table: of this copy of the library or another. */
export function isGlobalTable(value: unknown): value is GlobalTable<unknown, unknown> {
  return typeof value === 'object' && value !== null && GLOBAL_TABLE in value;
}
