import type { StreamRecord } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import type { PolicyOptions } from '../contract/policy-options.js';

/**
 * The functions behind count, reduce and aggregate. Without `initial`, the first value of a key is its
 * aggregate.
 */
export interface Folding<K, V, A> extends PolicyOptions {
  readonly store: string;
  readonly key?: Serde<K>;
  readonly value: Serde<A>;
  readonly initial?: () => A;
  readonly add: (aggregate: A, record: StreamRecord<K, V>) => A | null;
  readonly subtract?: (aggregate: A, record: StreamRecord<K, V>) => A | null;
  /** With several inputs: one adder per input, used instead of `add`. */
  readonly adders?: readonly ((aggregate: A, record: StreamRecord<K, V>) => A | null)[];
  /** Merges two aggregates when two sessions become one. */
  readonly merge?: (first: A, second: A) => A | null;
}

/** The aggregate with one more record; `current` is null if there is none yet. */
export function added<K, V, A>(
  { add, initial }: Folding<K, V, A>,
  current: A | null,
  record: StreamRecord<K, V>,
): A | null {
  if (current !== null) return add(current, record);
  // Without an initial value (reduce) the first value is the aggregate: there, A is V.
  return initial ? add(initial(), record) : (record.value as unknown as A);
}

/**
 * Merges the aggregates of windows that become one, in order. Null if there are none, or if merging leaves
 * nothing.
 */
export function merged<K, V, A>({ initial, merge }: Folding<K, V, A>, aggregates: readonly A[]): A | null {
  let all: A | null = null;
  for (const aggregate of aggregates) {
    // Without an initial value (reduce) the first aggregate is taken unchanged.
    const before: A | null = all ?? initial?.() ?? null;
    all = before === null ? aggregate : (merge as Merge<A>)(before, aggregate);
  }
  return all;
}

type Merge<A> = NonNullable<Folding<unknown, unknown, A>['merge']>;
