import type { Serde } from '../serdes/serde.js';
import type { Declaring } from './declaring.js';

/** The brand of a global table. A registered symbol, because a user's file may load another copy of this library than the runner. */
export const GLOBAL_TABLE = Symbol.for('millrace.globalTable');

/**
 * A table of which every process has all rows. It is no stream: it cannot be piped, and nothing follows from its changes. Joined by `joinGlobalTable` and `leftJoinGlobalTable`, and read by `process`
 * under the name of its store.
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

/** What can be wrong with global tables only once everything is declared. */
export function checkGlobalTables(declaring: Declaring): void {
  const { globalTables, sources, processors } = declaring;
  for (const { id, topic, store } of globalTables) {
    if (sources.some((source) => source.topic === topic)) {
      declaring.problem(
        id,
        'its topic is read as a stream or table, too',
        'Read it one way only: join the stream or table by its key, or copy it into another topic with to() for one of the two.',
      );
    }
    for (const processor of processors) {
      if (!processor.spec.reads?.includes(store)) continue;
      declaring.problem(
        processor.id,
        `it uses the global table of the store "${store}", which is declared after it`,
        'Write t.globalTable before the operators that use it.',
      );
    }
  }
}
