import type { Topology } from '../../dsl/contract/processor.js';
import { StreamsError } from '../../model/errors.js';
import { show } from '../../model/text/show.js';
import type { PastOptions } from '../past/past-options.js';
import type { Moment } from '../slice/moment.js';
import type { HistoryGap } from '../slice/slice.js';
import { LookupKey } from '../snapshots/lookup-key.js';
import { changesBetween, heldBy } from '../snapshots/shown-changes.js';
import type { PastRows } from './past-store.js';
import { type PastRowsState, rowsAsOf } from './state-as-of.js';

export interface StateDiffOptions extends PastOptions {
  readonly before: Moment;
  readonly after: Moment;
  /** This store only. */
  readonly store?: string;
  /**
   * With `store`: this row only. In a window store: all windows of a key, or one window,
   * `{ key, start, end }`.
   */
  readonly key?: unknown;
  readonly onGaps?: (gaps: readonly HistoryGap[]) => void;
}

/** A row that differs. In a window store a row is a window. */
export interface RowDifference {
  readonly store: string;
  /** Null: a global table. */
  readonly partition: number | null;
  readonly key: unknown;
  /** Null: there was no row. */
  readonly before: unknown;
  /** Null: the row is gone. */
  readonly after: unknown;
}

/**
 * The rows that differ between two moments, ordered by store, task and the bytes of their keys. Windows that
 * are stored together, as sessions are, come by key, deleted ones first. A row that has expired in between
 * counts as deleted.
 *
 * Cost: two replays; with snapshots, only of the records since them. Memory does not grow with the stores.
 * Errors: STORE_UNKNOWN, USAGE for a key without a store, and those of {@link stateAsOf}.
 *
 * ```ts no-run
 * for await (const { store, key, before, after } of stateDiff(shop, { broker, before: parseMoment('ago:2h'), after: parseMoment('latest') }))
 *   console.log(store, key, before, after);
 * ```
 */
export async function* stateDiff(topology: Topology, options: StateDiffOptions): AsyncGenerator<RowDifference> {
  const { before, after, store, key, onGaps, ...past } = options;
  if (key !== undefined && store === undefined) {
    throw new StreamsError('USAGE', {
      what: 'cannot tell which row to compare',
      saw: 'a key and no store',
      expected: 'the store that it is a key of',
      action: 'Give the store as well, or leave the key out.',
    });
  }
  if (store !== undefined) checkStore(topology, store);
  const first = await rowsAsOf(topology, { ...past, asOf: before });
  let second: PastRowsState | undefined;
  try {
    onGaps?.(first.gaps);
    second = await rowsAsOf(topology, { ...past, asOf: after });
    for (const part of first.stores) {
      if (part.spec.name !== (store ?? part.spec.name)) continue;
      const other = second.stores.find(({ spec, task }) => spec.name === part.spec.name && task === part.task);
      if (other) yield* differences(part, other, key === undefined ? undefined : new LookupKey(part.spec, key));
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
    what: `there is no store ${show(store)}`,
    at: `topology ${name}`,
    expected: stores.join(', ') || 'none: the topology has no stores',
    action: 'Use the name of a store of the topology.',
  });
}

/** Merges the rows of both stores in key order. */
async function* differences(
  first: PastRows,
  second: PastRows,
  wanted: LookupKey | undefined,
): AsyncGenerator<RowDifference> {
  const { spec, partition } = first;
  const left = first.kept()[Symbol.asyncIterator]();
  const right = second.kept()[Symbol.asyncIterator]();
  let [a, b] = [await left.next(), await right.next()];
  while (!a.done || !b.done) {
    const order = a.done ? 1 : b.done ? -1 : spec.key.encode(a.value[0]).compare(spec.key.encode(b.value[0]));
    const before = order <= 0 && !a.done ? a.value : undefined;
    const after = order >= 0 && !b.done ? b.value : undefined;
    if (wanted?.liesIn((before ?? after)?.[0]) !== false) {
      const lists = { before: shownOf(first, before), after: shownOf(second, after), goneAt: 0 };
      for (const { key, before: was, value } of changesBetween(spec, lists))
        if (wanted?.is(key) !== false) yield { store: spec.name, partition, key, before: was, after: value };
    }
    if (before) a = await left.next();
    if (after) b = await right.next();
  }
}

const shownOf = (
  { spec, streamTime }: PastRows,
  row: readonly [unknown, unknown] | undefined,
): ReturnType<typeof heldBy> => (row ? heldBy(spec, { key: row[0], value: row[1], timestamp: 0 }, streamTime) : []);
