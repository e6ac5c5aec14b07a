import type { Duration } from '../../model/duration.js';
import type { Serde } from '../../serdes/serde.js';
import type { PolicyOptions } from '../contract/policy-options.js';

/** How to join records with the row of the same key. */
export type JoinTableOptions<K, V, T, W> = PromptJoinOptions<K, V, T, W> | GraceJoinOptions<K, V, T, W>;

export interface PromptJoinOptions<K, V, T, W> extends PolicyOptions {
  readonly join: (value: V, row: T, key: K) => W;
  readonly grace?: never;
  readonly store?: never;
  readonly value?: never;
}

interface GraceJoinOptions<K, V, T, W> extends PolicyOptions {
  readonly join: (value: V, row: T, key: K) => W;
  /**
   * How long records of a stream wait for late rows of a versioned table, in the stream's own time. At most
   * the table's history.
   */
  readonly grace: Duration;
  /** The store of the waiting records. */
  readonly store: string;
  /** How the values of the waiting records are written. Default: JSON. */
  readonly value?: Serde<NonNullable<V>>;
}
