import type { AnySerde } from '../dsl/contract/processor.js';
import type { Graph } from '../graph/graph.js';
import { StreamsError } from '../model/errors.js';
import { show } from '../model/text/show.js';
import type { Windowed } from '../model/window.js';
import type { RangeOptions } from '../state/contract.js';
import type { TaskState } from '../state/store/task-state.js';
import { typedStore, windowsOf } from '../state/store/typed-store.js';
import type { EngineView } from './engine/engine-view.js';

/**
 * A read-only view of a store, over all tasks of this process. Rows of tasks that another process has are not
 * included.
 */
export interface StoreView<K, V> {
  /**
   * The row of a key; null if there is none. With `asOf`, in milliseconds since the epoch: the row at that
   * time, for a store that keeps past versions of its rows. CONFIG_INVALID for any other store.
   */
  get(key: K, asOf?: number): Promise<V | null>;
  /**
   * All rows: by partition, then in the byte order of their keys. In one array: {@link rows} takes no more
   * memory.
   */
  entries(): Promise<readonly (readonly [key: K, value: V])[]>;
  /**
   * Rows, one after the other: by partition, then in the byte order of their keys. Leave the loop to stop
   * early. Rows that change meanwhile may be seen before or after their change. Rejects if a task moves to
   * another process meanwhile: its rows would be missing. CONFIG_INVALID for a prefix if keys are no text.
   */
  rows(options?: RowOptions<K>): AsyncIterable<readonly [key: K, value: V]>;
  /**
   * For a store of windows: the windows of a key that start between two times, both included, ordered by
   * start. Reads only these windows, and no other keys. STORE_UNKNOWN if the store holds no windows.
   */
  windows(key: KeyOfWindow<K>, range?: WindowRange): Promise<readonly (readonly [window: K, value: V])[]>;
}

export interface RowOptions<K> {
  /** The first key, included, in the byte order of keys. */
  readonly from?: K;
  /** The last key, included. */
  readonly to?: K;
  /** Only keys that begin with this text. */
  readonly prefix?: string;
  /** At most as many rows. */
  readonly limit?: number;
  /** The last key of each partition first. */
  readonly reverse?: boolean;
}

type KeyOfWindow<K> = K extends Windowed<infer Key> ? Key : never;

export interface WindowRange {
  /**
   * The first start, in milliseconds since the epoch; for windows by number of records, the first record.
   * Default: the first one that exists.
   */
  readonly from?: number;
  /** The last start, included. Default: the last one that exists. */
  readonly to?: number;
}

/** Returns a view of a store. STORE_UNKNOWN if the topology has no store of that name. */
export function viewStore<K, V>(graph: Graph, engine: () => EngineView, name: string): StoreView<K, V> {
  if (graph.nodes.some((node) => node.kind === 'globalTable' && node.store === name))
    return viewGlobal(engine, name) as StoreView<K, V>;
  const owner = graph.subTopologies.find(({ stores }) => stores.includes(name));
  if (!owner) {
    throw new StreamsError('STORE_UNKNOWN', {
      what: `there is no store ${show(name)}`,
      at: `topology ${graph.name}`,
      expected: graph.stores.map((store) => store.name).join(', ') || 'none: the topology has no stores',
      action: 'Use the name of a store of the topology.',
    });
  }
  const tasks = () => engine().tasks.filter((task) => task.phase === 'running' && task.subTopology.id === owner.id);
  /**
   * Reads the states of the current tasks; repeats that if one of them moved to another process meanwhile,
   * since its rows are then missing.
   */
  async function inStates<T>(read: (states: readonly TaskState[]) => Promise<T>): Promise<T> {
    for (;;) {
      const asked = tasks();
      try {
        return await read(asked.flatMap((task) => task.state ?? []));
      } catch (error) {
        const left = tasks();
        if (asked.every((task) => left.includes(task))) throw error;
      }
    }
  }
  const isVersioned = graph.stores.some((store) => store.name === name && store.kind === 'versioned');
  return {
    get: async (key, asOf) => {
      if (asOf !== undefined && !isVersioned) throw noPast(name);
      return inStates(async (states) => {
        for (const state of states) {
          const value =
            asOf === undefined
              ? (await typedStore<K, V>(state.cached(name)).peek(key))?.value
              : await state.versioned(name)?.peek(key, asOf);
          if (value !== null && value !== undefined) return value as V;
        }
        return null;
      });
    },
    entries: () =>
      inStates(async (states) => {
        const found: (readonly [K, V])[] = [];
        for (const state of states)
          for await (const entry of typedStore<K, V>(state.cached(name)).entries()) found.push(entry);
        return found;
      }),
    rows: (options = {}) =>
      limited(options, async function* () {
        const asked = tasks();
        for (const task of options.reverse ? [...asked].reverse() : asked) {
          const store = task.state?.cached(name);
          if (!tasks().includes(task) || !store) throw moved(name);
          yield* rowsOf(typedStore<K, V>(store), store.spec.shown?.key ?? store.spec.key, options);
        }
      }),
    windows: (key, range) =>
      inStates(async (states) => {
        const found: (readonly [unknown, V])[] = [];
        for (const state of states) {
          const windows = await windowsOf<V>(state.cached(name), key, range);
          if (windows === undefined) throw noWindows(name);
          found.push(...windows);
        }
        return found as unknown as readonly (readonly [K, V])[];
      }),
  };
}

const noWindows = (name: string): StreamsError =>
  new StreamsError('STORE_UNKNOWN', {
    what: `there is no store of windows ${show(name)}`,
    saw: 'a store whose keys are not windowed',
    action: 'Use get or entries, or the name of a store of windows.',
  });

function viewGlobal(engine: () => EngineView, name: string): StoreView<unknown, unknown> {
  const store = () => engine().globals.store(name);
  return {
    get: async (key, asOf) => {
      if (asOf !== undefined) throw noPast(name);
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
    rows: (options = {}) =>
      limited(options, async function* () {
        const global = store();
        if (global) yield* rowsOf(global, global.spec.key, options);
      }),
    windows: () => Promise.reject(noWindows(name)),
  };
}

/** A store whose rows are read in a range. */
interface Ranged<K, V> {
  entries(range: RangeOptions<K>): AsyncIterable<readonly [K, V]>;
}

async function* rowsOf<K, V>(
  store: Ranged<K, V>,
  serde: AnySerde,
  { from, to, prefix, reverse = false }: RowOptions<K>,
): AsyncGenerator<readonly [K, V]> {
  if (prefix === undefined) {
    yield* store.entries({ ...(from !== undefined && { from }), ...(to !== undefined && { to }), reverse });
    return;
  }
  const begin = Buffer.from(prefix);
  const first = from ?? (prefix as K);
  for await (const row of store.entries({ from: first, ...(to !== undefined && { to }), reverse })) {
    const bytes = textKey(serde, row[0]);
    if (bytes.subarray(0, begin.length).equals(begin)) yield row;
    // Keys with the prefix lie together.
    else if (!reverse && bytes.compare(begin) > 0) return;
  }
}

async function* limited<T>(
  { limit = Number.POSITIVE_INFINITY }: Pick<RowOptions<unknown>, 'limit'>,
  rows: () => AsyncIterable<T>,
): AsyncGenerator<T> {
  if (limit <= 0) return;
  let count = 0;
  for await (const row of rows()) {
    yield row;
    if (++count >= limit) return;
  }
}

function textKey(serde: AnySerde, key: unknown): Buffer {
  if (typeof key === 'string') return Buffer.from(serde.encode(key));
  throw new StreamsError('CONFIG_INVALID', {
    what: 'rows were asked for by a prefix',
    saw: `the key ${show(key)}`,
    expected: 'keys that are text',
    action: 'Use from and to.',
  });
}

const moved = (name: string): StreamsError =>
  new StreamsError('STATE_LOCKED', {
    what: 'cannot read all rows',
    at: `store ${name}`,
    saw: 'a task that has moved to another process meanwhile',
    action: 'Read again.',
  });

const noPast = (name: string): StreamsError =>
  new StreamsError('CONFIG_INVALID', {
    what: 'a row was asked for as of a moment',
    at: `store ${name}`,
    saw: 'a store that keeps the newest rows only',
    action: 'Give the table a history: t.table(topic, { …, history: "1d" }).',
  });
