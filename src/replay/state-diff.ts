import type { Topology } from '../dsl/processor.js';
import type { Moment } from './moment.js';
import type { PastOptions } from './past.js';
import type { HistoryGap } from './slice.js';
import { type PastState, type PastStore, stateAsOf } from './state-as-of.js';

export interface StateDiffOptions extends PastOptions {
  readonly before: Moment;
  readonly after: Moment;
  /** This store only. */
  readonly store?: string;
  readonly onGaps?: (gaps: readonly HistoryGap[]) => void;
}

/** A row that is not what it was. */
export interface RowDifference {
  readonly store: string;
  /** Null: a global table. */
  readonly partition: number | null;
  readonly key: unknown;
  /** Null: there was none. */
  readonly before: unknown;
  /** Null: it is gone. */
  readonly after: unknown;
}

/**
 * The rows that differ between two moments, by store, task and the byte order of their keys. Cost: two replays, with snapshots those of the rest. Memory does not grow with the stores.
 *
 * ```ts no-run
 * for await (const { store, key, before, after } of stateDiff(shop, { broker, before: parseMoment('ago:2h'), after: parseMoment('latest') }))
 *   console.log(store, key, before, after);
 * ```
 */
export async function* stateDiff(topology: Topology, options: StateDiffOptions): AsyncGenerator<RowDifference> {
  const { before, after, store, onGaps, ...past } = options;
  const first = await stateAsOf(topology, { ...past, asOf: before });
  let second: PastState | undefined;
  try {
    onGaps?.(first.gaps);
    second = await stateAsOf(topology, { ...past, asOf: after });
    for (const part of first.stores) {
      if (part.spec.name !== (store ?? part.spec.name)) continue;
      const other = second.stores.find(({ spec, task }) => spec.name === part.spec.name && task === part.task);
      if (other) yield* differences(part, other);
    }
  } finally {
    await Promise.allSettled([first.close(), second?.close()]);
  }
}

/** Goes through both in the order of their keys at once. */
async function* differences(first: PastStore, second: PastStore): AsyncGenerator<RowDifference> {
  const { spec, partition } = first;
  const store = spec.name;
  const left = first.entries()[Symbol.asyncIterator]();
  const right = second.entries()[Symbol.asyncIterator]();
  let [a, b] = [await left.next(), await right.next()];
  while (!a.done || !b.done) {
    const order = a.done ? 1 : b.done ? -1 : spec.key.encode(a.value[0]).compare(spec.key.encode(b.value[0]));
    const before = order <= 0 && !a.done ? a.value : undefined;
    const after = order >= 0 && !b.done ? b.value : undefined;
    const same = before && after && spec.value.encode(before[1]).equals(spec.value.encode(after[1]));
    if (!same)
      yield { store, partition, key: (before ?? after)?.[0], before: before?.[1] ?? null, after: after?.[1] ?? null };
    if (before) a = await left.next();
    if (after) b = await right.next();
  }
}
