import type { AnySerde, Topology } from '../dsl/processor.js';
import { StreamsError } from '../model/errors.js';
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
 * The rows that differ between two moments, by store, task and the byte order of their keys. Cost: two replays, with snapshots those of the rest. Memory does not grow with the stores. Errors: STORE_UNKNOWN, and those of {@link stateAsOf}.
 *
 * ```ts no-run
 * for await (const { store, key, before, after } of stateDiff(shop, { broker, before: parseMoment('ago:2h'), after: parseMoment('latest') }))
 *   console.log(store, key, before, after);
 * ```
 */
export async function* stateDiff(topology: Topology, options: StateDiffOptions): AsyncGenerator<RowDifference> {
  const { before, after, store, onGaps, ...past } = options;
  if (store !== undefined) checkStore(topology, store);
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

function checkStore({ name, graph }: Topology, store: string): void {
  const globals = graph.nodes.flatMap((node) => (node.kind === 'globalTable' ? [node.store] : []));
  const stores = [...graph.stores.map((each) => each.name), ...globals];
  if (stores.includes(store)) return;
  throw new StreamsError('STORE_UNKNOWN', {
    what: `there is no store ${JSON.stringify(store)}`,
    at: `topology ${name}`,
    expected: stores.join(', ') || 'none: the topology has no stores',
    action: 'Use the name of a store of the topology.',
  });
}

/** Compares two keys as entries come: of windows that lie in one row, rows go first. */
function byOrder({ spec, key: serde }: PastStore): (a: unknown, b: unknown) => number {
  const { key: rows, shown } = spec;
  const compare = (by: AnySerde, a: unknown, b: unknown): number => by.encode(a).compare(by.encode(b));
  if (!shown) return (a, b) => compare(serde, a, b);
  return (a, b) => compare(rows, shown.rowOf(a), shown.rowOf(b)) || compare(serde, a, b);
}

/** Goes through both in the order of their keys at once. */
async function* differences(first: PastStore, second: PastStore): AsyncGenerator<RowDifference> {
  const { spec, partition } = first;
  const store = spec.name;
  const compare = byOrder(first);
  const left = first.entries()[Symbol.asyncIterator]();
  const right = second.entries()[Symbol.asyncIterator]();
  let [a, b] = [await left.next(), await right.next()];
  while (!a.done || !b.done) {
    const order = a.done ? 1 : b.done ? -1 : compare(a.value[0], b.value[0]);
    const before = order <= 0 && !a.done ? a.value : undefined;
    const after = order >= 0 && !b.done ? b.value : undefined;
    const same = before && after && first.value.encode(before[1]).equals(first.value.encode(after[1]));
    if (!same)
      yield { store, partition, key: (before ?? after)?.[0], before: before?.[1] ?? null, after: after?.[1] ?? null };
    if (before) a = await left.next();
    if (after) b = await right.next();
  }
}
