import type { PartitionOffset } from '../../broker/port.js';
import type { Topology } from '../../dsl/contract/processor.js';
import { GLOBAL_DIRECTORY } from '../../state/global/global-state.js';
import type { GlobalStore } from '../../state/global/global-store.js';
import { framePast, Past, type PastFrame } from '../past/past.js';
import type { PastOptions } from '../past/past-options.js';
import { taskStores } from '../rerun/event.js';
import type { Moment } from '../slice/moment.js';
import type { HistoryGap } from '../slice/slice.js';
import { type PastRows, type PastStore, storePart } from './past-store.js';

export interface StateAsOfOptions extends PastOptions {
  /** The state contains the source records up to this moment: see {@link Moment}. */
  readonly asOf: Moment;
}

/** The state of an application at a moment. Its stores are in a temporary directory until `close`. */
export interface PastState {
  /** Next offset of each source partition. */
  readonly positions: readonly PartitionOffset[];
  /** Partitions with an incomplete history. */
  readonly gaps: readonly HistoryGap[];
  /** Number of source records in it. */
  readonly records: number;
  /** How many of them came with a snapshot. */
  readonly beganWith: number;
  /** All stores, by task. */
  readonly stores: readonly PastStore[];
  close(): Promise<void>;
}

export interface PastRowsState extends PastState {
  readonly stores: readonly PastRows[];
}

/**
 * Reconstructs the stores of an application at a moment. It replays the source topics up to that moment, from
 * the latest snapshot before it, or else from the beginning.
 *
 * As of a time: each partition up to its first record with a later timestamp. As of offsets: the named
 * partitions up to these offsets, and the others as far as the merged order has come by then. Both give a
 * state that an application has had if it processed its records in timestamp order.
 *
 * Cost: a replay; with snapshots, only of the records since the last one. Errors: those of {@link replay};
 * OFFSET_OUT_OF_RANGE if there is no record up to that time.
 *
 * ```ts no-run
 * const past = await stateAsOf(shop, { broker, asOf: parseMoment('2026-03-01T12:00Z') });
 * for (const store of past.stores) console.log(store.spec.name, await store.row('alice'));
 * await past.close();
 * ```
 */
export const stateAsOf = (topology: Topology, options: StateAsOfOptions): Promise<PastState> =>
  rowsAsOf(topology, options);

/** The same, with the internal rows of the stores. */
export async function rowsAsOf(topology: Topology, options: StateAsOfOptions): Promise<PastRowsState> {
  const frame = await framePast(topology, options);
  const past = await Past.open(frame, { until: options.asOf, beginWith: (snapshots) => snapshots.at(-1) });
  try {
    await past.toEnd();
    const { positions, gaps, run, beganWith } = past;
    return {
      positions,
      gaps,
      records: run.records,
      beganWith: beganWith?.records ?? 0,
      stores: storesOf(frame, past),
      close: () => past.close(),
    };
  } catch (error) {
    await past.close().catch(() => undefined);
    throw error;
  }
}

function storesOf({ topology, declaration }: PastFrame, { run, positions }: Past): readonly PastRows[] {
  const specs = taskStores(declaration);
  const globals = topology.graph.nodes.flatMap((node) => {
    if (node.kind !== 'globalTable') return [];
    const store = run.globals?.store(node.store);
    const sources = Object.fromEntries(
      positions
        .filter(({ topic }) => topic === node.topic)
        .map(({ topic, partition, offset }) => [`${topic}[${partition}]`, offset]),
    );
    return store ? [globalPart(store, sources)] : [];
  });
  const tasks = run.tasks.flatMap(({ id, partition, state, subTopology }) =>
    subTopology.stores.flatMap((name) => {
      const spec = specs.get(name);
      if (!state || !spec) return [];
      return [{ ...storePart(spec, state.cached(name)), task: id, partition, sources: state.checkpoint.sources }];
    }),
  );
  return [...globals, ...tasks];
}

function globalPart(store: GlobalStore<unknown, unknown>, sources: Readonly<Record<string, number>>): PastRows {
  return {
    spec: store.spec,
    key: store.spec.key,
    value: store.spec.value,
    windows: async () => [],
    task: GLOBAL_DIRECTORY,
    partition: null,
    sources,
    row: async (key) => {
      const [row] = await store.read([store.keyOf(key)]);
      return row === undefined || row.value === null ? null : { value: row.value, timestamp: row.timestamp };
    },
    entries: () => store.entries(),
    // Its rows are shown as stored, and never expire.
    streamTime: Number.NEGATIVE_INFINITY,
    kept: () => store.entries(),
  };
}
