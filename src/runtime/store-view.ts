import type { Graph } from '../graph/graph.js';
import { StreamsError } from '../model/errors.js';
import { ShownStore } from '../state/shown-store.js';
import type { Holder } from './holder.js';

/** A read-only look at a store, over all tasks at hand. */
export interface StoreView<K, V> {
  /** The row of a key; null if there is none. */
  get(key: K): Promise<V | null>;
  /** All rows: by partition, then in the byte order of their keys. */
  entries(): Promise<readonly (readonly [key: K, value: V])[]>;
}

/** Looks into a store. STORE_UNKNOWN if the topology has none of that name. */
export function viewStore<K, V>(graph: Graph, holder: () => Holder, name: string): StoreView<K, V> {
  if (graph.nodes.some((node) => node.kind === 'globalTable' && node.store === name))
    return viewGlobal(holder, name) as StoreView<K, V>;
  const owner = graph.subTopologies.find(({ stores }) => stores.includes(name));
  if (!owner) {
    throw new StreamsError('STORE_UNKNOWN', {
      what: `there is no store ${JSON.stringify(name)}`,
      at: `topology ${graph.name}`,
      expected: graph.stores.map((store) => store.name).join(', ') || 'none: the topology has no stores',
      action: 'Use the name of a store of the topology.',
    });
  }
  const stores = (): readonly ShownStore<K, V>[] =>
    holder()
      .tasks.filter((task) => task.phase === 'running' && task.subTopology.id === owner.id)
      .flatMap((task) => (task.state ? [new ShownStore<K, V>(task.state.cached(name))] : []));
  return {
    get: async (key) => {
      for (const store of stores()) {
        const row = await store.row(key);
        if (row !== null) return row.value;
      }
      return null;
    },
    entries: async () => {
      const found: (readonly [K, V])[] = [];
      for (const store of stores()) for await (const entry of store.entries()) found.push(entry);
      return found;
    },
  };
}

function viewGlobal(holder: () => Holder, name: string): StoreView<unknown, unknown> {
  const store = () => holder().globals.store(name);
  return {
    get: async (key) => {
      const global = store();
      if (!global) return null;
      const [row] = await global.read([global.keyOf(key)]);
      return row?.value ?? null;
    },
    entries: async () => {
      const found: (readonly [unknown, unknown])[] = [];
      for await (const entry of store()?.entries() ?? []) found.push(entry);
      return found;
    },
  };
}
