import type { Observable, OperatorFunction } from 'rxjs';
import { type KeyValueStore, type ProcessContext, process, type RangeOptions, serdes } from '#src/index.js';
import type { Json } from './case.js';
import { num } from './functions.js';

/** A processor of the vectors: what it is called, and its parameters. */
export interface ProcessorSpec {
  readonly fn: string;
  readonly store?: string;
  readonly [parameter: string]: Json;
}

interface Logic {
  start?(context: ProcessContext<any, any>): void;
  process(record: Json, context: ProcessContext<any, any>): void | Promise<void>;
}

type Store = KeyValueStore<string, Json>;
type Forward = (key: Json, value: Json, timestamp?: number) => void;
type Make = (spec: ProcessorSpec) => Logic;

const storeOf = (context: ProcessContext<any, any>, { store }: ProcessorSpec): Store => context.store(store as string);
const clockOf = ({ time }: ProcessorSpec) => (time === 'stream' ? 'stream' : 'wall');

const PROCESSORS: Readonly<Record<string, Make>> = {
  total: (spec) => ({
    async process({ key, value }, context) {
      if (key === null) return;
      const store = storeOf(context, spec);
      const total = value === null ? null : num(await store.load(key)) + num(value);
      store.put(key, total);
      context.forward({ key, value: total });
    },
  }),
  dedup: (spec) => ({
    async process({ key, value }, context) {
      if (key === null) return;
      const store = storeOf(context, spec);
      if ((await store.load(key)) !== null) return;
      context.forward({ key, value });
      store.put(key, value ?? 'null');
    },
  }),
  shift: ({ byMs }) => ({
    process({ key, value, timestamp }, context) {
      context.forward({ key, value, timestamp: Math.max(0, timestamp + byMs) });
    },
  }),
  buffer: (spec) => ({
    start(context) {
      context.schedule(`${spec.everyMs}ms`, clockOf(spec), async (timestamp) => {
        const store = storeOf(context, spec);
        const entries = await listed(store);
        for (const [key, value] of entries) {
          context.forward({ key, value, timestamp });
          if (spec.clear) store.delete(key);
        }
      });
    },
    process({ key, value }, context) {
      if (key !== null) storeOf(context, spec).put(key, value);
    },
  }),
  tick: (spec) => {
    let seen = 0;
    let fired = 0;
    return {
      start(context) {
        const cancel = context.schedule(`${spec.everyMs}ms`, clockOf(spec), (timestamp) => {
          context.forward({ key: 'tick', value: seen, timestamp });
          fired++;
          if (fired === spec.cancelAfter) cancel();
        });
      },
      process(record, context) {
        seen++;
        context.forward(record);
      },
    };
  },
  commands: (spec) => ({
    process: ({ key, value }, context) =>
      command(storeOf(context, spec), key, value, (k, v) => context.forward({ key: k, value: v })),
  }),
};

async function command(store: Store, key: string, value: Json, forward: Forward): Promise<void> {
  const [[name, arg]] = Object.entries<Json>(value) as [[string, Json]];
  const list = async (range: RangeOptions<string>, keep = (_key: string) => true): Promise<void> => {
    for (const [k, v] of await listed(store, range)) if (keep(k)) forward(k, v);
  };
  const between = ([from, to]: Json): RangeOptions<string> => ({
    ...(from === null ? {} : { from }),
    ...(to === null ? {} : { to }),
  });
  switch (name) {
    case 'put':
      return store.put(key, arg);
    case 'putIfAbsent': {
      const there = await store.load(key);
      if (there === null) store.put(key, arg);
      return forward(key, there);
    }
    case 'delete': {
      const there = await store.load(key);
      store.delete(key);
      return forward(key, there);
    }
    case 'get':
      return forward(key, await store.load(key));
    case 'all':
      return list({});
    case 'reverseAll':
      return list({ reverse: true });
    case 'range':
      return list(between(arg));
    case 'reverseRange':
      return list({ ...between(arg), reverse: true });
    case 'prefix':
      return list({ from: arg }, (k) => k.startsWith(arg));
    default:
      throw new Error(`saw the command ${name}`);
  }
}

/** All rows at once: what is forwarded may change the store that is being listed. */
async function listed(store: Store, range: RangeOptions<string> = {}): Promise<(readonly [string, Json])[]> {
  const rows: (readonly [string, Json])[] = [];
  for await (const row of store.entries(range)) rows.push(row);
  return rows;
}

/** `owner` is the first processor that names a store: it declares it, the others use it. */
export function processor(
  spec: ProcessorSpec,
  name: string,
  owner: boolean,
): OperatorFunction<any, any> & ((source: Observable<any>) => Observable<any>) {
  const make = PROCESSORS[spec.fn];
  if (!make) throw new Error(`saw the processor ${spec.fn}, expected one of ${Object.keys(PROCESSORS).join(', ')}`);
  const store = spec.store === undefined ? [] : [spec.store];
  const definition = { key: serdes.string, value: serdes.json<Json>() };
  return process<any, any, any>({
    name,
    scope: 'partition',
    ...(owner ? { stores: Object.fromEntries(store.map((each) => [each, definition])) } : { uses: store }),
    rekey: { name, key: serdes.string, value: serdes.json<Json>() },
    ...make(spec),
  });
}
