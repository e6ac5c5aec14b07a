import type { AnySerde, Declaration, Topology } from '../../dsl/contract/processor.js';
import { StreamsError } from '../../model/errors.js';
import { show } from '../../model/text/show.js';
import { declaredNodes } from '../../runtime/topics/planned-tasks.js';
import type { Row, StoreSpec } from '../../state/contract.js';
import type { CachedStore } from '../../state/store/cached-store.js';
import { typedStore, windowsOf } from '../../state/store/typed-store.js';

/** One task's part of a store, or a whole global table that is looked at, not run. */
export interface PastStore {
  readonly spec: StoreSpec;
  /** Serdes of the keys and values. */
  readonly key: AnySerde;
  readonly value: AnySerde;
  readonly task: string;
  /** Null: all partitions. */
  readonly partition: number | null;
  /** Next offset of each topic that was read: the store contains everything before it. */
  readonly sources: Readonly<Record<string, number>>;
  row(key: unknown): Promise<Row<unknown> | null>;
  /** In the byte order of their keys. */
  entries(): AsyncIterable<readonly [key: unknown, value: unknown]>;
  /**
   * In a window store: the windows of a key that start between two moments, ordered by start. In any other
   * store: none.
   */
  windows(
    key: unknown,
    range?: { readonly from?: number | undefined; readonly to?: number | undefined },
  ): Promise<readonly (readonly [window: unknown, value: unknown])[]>;
}

/** A store with its internal rows. */
export interface PastRows extends PastStore {
  /** Stream time of the store. */
  readonly streamTime: number;
  /** The rows as stored, in the byte order of their keys. */
  kept(): AsyncIterable<readonly [key: unknown, value: unknown]>;
}

/** A store of a task as a {@link PastStore}. */
export function storePart(
  spec: StoreSpec,
  store: CachedStore<unknown, unknown>,
): Omit<PastRows, 'task' | 'partition' | 'sources'> {
  const rows = typedStore<unknown, unknown>(store);
  const { key, value } = spec.shown ?? spec;
  return {
    spec,
    key,
    value,
    row: (each) => rows.peek(each),
    entries: () => rows.entries(),
    streamTime: store.streamTime,
    kept: () => store.entries(),
    windows: async (each, range) => (await windowsOf(store, each, range)) ?? [],
  };
}

/** The stores that a topology declares, those of global tables included. */
export function storesDeclared(declaration: Declaration): readonly StoreSpec[] {
  return [
    ...declaration.processors.flatMap(({ spec }) => spec.stores),
    ...declaration.globalTables.map(({ store, key, value }) => ({
      name: store,
      kind: 'keyValue' as const,
      key,
      value,
    })),
  ];
}

/** Errors: STORE_UNKNOWN if the topology has no store of that name. */
export function checkStore(topology: Topology, store: string | undefined): void {
  const names = storesDeclared(declaredNodes(topology)).map(({ name }) => name);
  if (store === undefined || names.includes(store)) return;
  throw new StreamsError('STORE_UNKNOWN', {
    what: `there is no store ${show(store)}`,
    at: `topology ${topology.name}`,
    saw: names.join(', ') || 'no stores',
    action: 'Use the name of one of its stores.',
  });
}
