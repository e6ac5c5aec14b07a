import { filter, type Observable } from 'rxjs';
import {
  aggregate,
  count,
  dedupe,
  filterValues,
  flatMap,
  flatMapValues,
  groupBy,
  joinStream,
  joinTable,
  latestByTimestamp,
  leftJoinStream,
  leftJoinTable,
  map,
  mapValues,
  outerJoinStream,
  outerJoinTable,
  peek,
  process,
  reduce,
  reorderByVersion,
  repartition,
  type StreamRecord,
  selectKey,
  serdes,
  type Table,
  toStream,
  toTable,
} from '#src/index.js';
import { cogroupsAndSuppress } from './cogroup-suppress-steps.js';
import type { Item } from './item.js';
import { timeFolds } from './time-folds.js';
import { windowFolds } from './window-folds.js';

/** Operators that turn items into items, by name; each is given a name of its own and the table that all of them share. */
type Stream = Observable<StreamRecord<any, any>>;
export type Step = (source: Stream, name: string, rows: Table<string, Item>) => Stream;

const value = serdes.json<Item>();
const { string } = serdes;
type R = StreamRecord<string, Item | null>;
const plus = (item: Item | null, n: number): Item => ({ ...(item ?? { id: 'x', version: 1, group: 'g' }), n });
const numbers = { key: string, value: serdes.json<number>() };

const stateless: Record<string, Step> = {
  mapValues: (source) => source.pipe(mapValues((item: Item | null) => item && plus(item, item.n + 1))),
  'mapValues that throws': (source) =>
    source.pipe(
      mapValues((item: Item | null) => {
        if (item?.n === 3) throw new Error('three');
        return item;
      }),
    ),
  flatMapValues: (source) =>
    source.pipe(flatMapValues((item: Item | null) => (item ? [item, { ...item, id: `${item.id}+` }] : [item]))),
  'flatMapValues that throws half-way': (source) =>
    source.pipe(
      flatMapValues(function* (item: Item | null) {
        yield item;
        if (item?.n === 4) throw new Error('four');
        yield item;
      }),
    ),
  filterValues: (source) => source.pipe(filterValues((item: Item | null) => item !== null && item.n % 4 !== 0)),
  peek: (source) => source.pipe(peek(() => undefined)),
};

const rekeying: Record<string, Step> = {
  map: (source, name) =>
    source.pipe(
      map(({ key, value: item }: R) => [item?.group ?? key, item && plus(item, item.n + 1)], {
        key: string,
        value: value as never,
        name,
      }),
    ),
  flatMap: (source, name) =>
    source.pipe(
      flatMap(
        ({ key, value: item }: R) => [
          [key, item],
          [item?.group ?? null, item],
        ],
        { key: string as never, value: value as never, name },
      ),
    ),
  selectKey: (source, name) =>
    source.pipe(selectKey((record: R) => record.value?.group ?? record.key, { key: string, value, name })),
  groupBy: (source, name) =>
    source.pipe(groupBy((record: R) => record.value?.group ?? null, { key: string, value, name })),
  repartition: (source, name) => source.pipe(repartition({ key: string, value, name })),
};

const folds: Record<string, Step> = {
  toTable: (source, store) => source.pipe(toTable({ store, key: string, value }), toStream()),
  count: (source, store) =>
    source.pipe(
      count({ store, key: string }),
      toStream(),
      mapValues((n: number | null) => plus(null, n ?? 0)),
    ),
  reduce: (source, store) =>
    source.pipe(
      reduce({ store, key: string, value, add: (a: Item, b: Item) => (b.n === 5 ? null : plus(b, a.n + b.n)) }),
      toStream(),
    ),
  aggregate: (source, store) =>
    source.pipe(
      aggregate({
        store,
        key: string,
        value,
        initial: () => plus(null, 0),
        add: (all: Item, { value: item }: any) => plus(item, all.n * 2 + item.n),
      }),
      toStream(),
    ),
  'aggregate of a regrouped table': (source, store) =>
    source.pipe(
      toTable({ store: `${store}-rows`, key: string, value }),
      groupBy((record: any) => record.value.group, { key: string, value, name: store }),
      aggregate({
        store,
        value,
        initial: () => plus(null, 0),
        add: (all: Item, { value: item }: any) => plus(item, all.n + item.n),
        subtract: (all: Item, { value: item }: any) => plus(item, all.n - item.n),
      }),
      toStream(),
    ),
};

const ordering: Record<string, Step> = {
  dedupe: (source, store) =>
    source.pipe(dedupe({ store, id: (record: R) => record.value?.id ?? 'none', within: '20ms' })),
  'dedupe by partition': (source, store) =>
    source.pipe(dedupe({ store, id: (record: R) => record.value?.id ?? 'none', within: '15ms', scope: 'partition' })),
  reorderByVersion: (source, store) =>
    source.pipe(
      reorderByVersion({
        store,
        version: (record: R) => record.value?.version ?? 1,
        key: string,
        gap: { wait: '10ms', then: 'skip' },
      }),
    ),
  'reorderByVersion with dead letters': (source, store) =>
    source.pipe(
      reorderByVersion({
        store,
        version: (record: R) => record.value?.version ?? 1,
        key: string,
        first: 1,
        stale: 'pass',
        maxBuffered: 2,
        gap: { wait: '15ms', then: 'deadLetter' },
      }),
    ),
  latestByTimestamp: (source, store) => source.pipe(latestByTimestamp({ store, key: string, older: 'deadLetter' })),
};

const joins: Record<string, Step> = {
  joinTable: (source, _, rows) => source.pipe(joinTable(rows, (item: Item, row: Item) => plus(item, item.n + row.n))),
  leftJoinTable: (source, _, rows) =>
    source.pipe(leftJoinTable(rows, (item: Item, row: Item | null) => plus(item, item.n - (row?.n ?? 100)))),
  'joinTable of a table': (source, store, rows) =>
    source.pipe(
      toTable({ store, key: string, value }),
      joinTable(rows, (item: Item, row: Item) => plus(item, item.n + row.n)),
      toStream(),
    ),
  'leftJoinTable of a table': (source, store, rows) =>
    source.pipe(
      toTable({ store, key: string, value }),
      leftJoinTable(rows, (item: Item, row: Item | null) => plus(item, item.n + (row?.n ?? 1_000))),
      toStream(),
    ),
};

/** Splits what comes into two streams, by what is in it. */
const even = (source: Stream): Stream => source.pipe(filter((record: R) => (record.value?.n ?? 0) % 2 === 0));
const odd = (source: Stream): Stream => source.pipe(filter((record: R) => (record.value?.n ?? 1) % 2 === 1));

/** Both sides of a join behind one repartition, if there has to be any: two of them are read as they come, which depends on how their writer's records were cut. */
const behindOne =
  (step: (source: Stream, store: string) => Stream): Step =>
  (source, store) =>
    step(
      source.pipe(
        process({
          name: `${store}-first`,
          stores: { [`${store}-none`]: numbers },
          process: (record: R, { forward }) => forward(record),
        }),
      ),
      store,
    );

const streamJoins: Record<string, Step> = {
  joinStream: behindOne((source, store) =>
    even(source).pipe(
      joinStream(odd(source), {
        store,
        key: string,
        within: '9ms',
        grace: '3ms',
        join: (a: Item, b: Item) => plus(a, a.n + b.n),
      }),
    ),
  ),
  'joinStream that throws': behindOne((source, store) =>
    source.pipe(
      joinStream(odd(source), {
        store,
        key: string,
        within: '9ms',
        grace: '3ms',
        join(a: Item, b: Item) {
          if (a.n === 3 && b.n === 1) throw new Error('three and one');
          return plus(a, a.n + b.n);
        },
      }),
    ),
  ),
  leftJoinStream: behindOne((source, store) =>
    even(source).pipe(
      leftJoinStream(odd(source), {
        store,
        key: string,
        after: '6ms',
        grace: '2ms',
        join: (a: Item, b: Item | null) => plus(a, a.n + (b?.n ?? 50)),
      }),
    ),
  ),
  'leftJoinStream of a stream with itself': behindOne((source, store) =>
    source.pipe(
      leftJoinStream(source, {
        store,
        key: string,
        before: '-1ms',
        after: '8ms',
        grace: '4ms',
        join: (a: Item, b: Item | null) => plus(a, a.n * 3 - (b?.n ?? 7)),
      }),
    ),
  ),
  outerJoinStream: behindOne((source, store) =>
    even(source).pipe(
      outerJoinStream(odd(source), {
        store,
        key: string,
        before: '3ms',
        after: '7ms',
        grace: '5ms',
        join: (a: Item | null, b: Item | null) => plus(a ?? b, (a?.n ?? 20) - (b?.n ?? 30)),
      }),
    ),
  ),
  'outerJoinStream that throws for what is missing': behindOne((source, store) =>
    even(source).pipe(
      outerJoinStream(odd(source), {
        store,
        key: string,
        within: '4ms',
        grace: '2ms',
        join(a: Item | null, b: Item | null) {
          if (a === null && b?.n === 3) throw new Error('three is alone');
          return plus(a ?? b, (a?.n ?? 20) - (b?.n ?? 30));
        },
      }),
    ),
  ),
};

const added = (item: Item, row: Item | null): Item => plus(item, item.n * 2 + (row?.n ?? 1_000));

const tables: Record<string, Step> = {
  'toTable with a history': (source, store) =>
    source.pipe(
      toTable({ store, key: string, value, history: '20ms' }),
      filterValues((item) => item.n !== 2),
      toStream(),
    ),
  'joinTable as of a time': (source, store, rows) => {
    const past = rows.pipe(toStream(), toTable({ store, key: string, value, history: '20ms' }));
    return source.pipe(
      mapValues((item: Item | null) => item && plus(item, item.n + 1)),
      leftJoinTable(past, (item: Item | null, row: Item | null) => added(item as Item, row)),
    );
  },
  'joinTable as of a time, with a grace': (source, store, rows) => {
    const past = rows.pipe(toStream(), toTable({ store, key: string, value, history: '40ms' }));
    return source.pipe(joinTable(past, { join: added, grace: '15ms', store: `${store}-held`, value }));
  },
  'leftJoinTable with a grace': (source, store, rows) => {
    const past = rows.pipe(toStream(), toTable({ store, key: string, value, history: '40ms' }));
    return source.pipe(leftJoinTable(past, { join: added, grace: '3ms', store: `${store}-held`, value }));
  },
  'joinTable of tables that have no store': (source, store, rows) => {
    const table = source.pipe(toTable({ store, key: string, value }));
    const both = table.pipe(
      filterValues((item) => item.n > 1),
      outerJoinTable(rows.pipe(mapValues((item) => plus(item, item.n + 1))), (a, b) => added(a ?? plus(null, 7), b)),
    );
    return table.pipe(joinTable(both, added), toStream());
  },
  'joinTable by a foreign key': (source, store, rows) =>
    source.pipe(
      toTable({ store: `${store}-left`, key: string, value }),
      joinTable(rows, { foreignKey: (item) => item.group, join: added, store, value }),
      toStream(),
    ),
  'leftJoinTable by a foreign key': (source, store, rows) =>
    source.pipe(
      toTable({ store: `${store}-left`, key: string, value }),
      leftJoinTable(rows, { foreignKey: (item) => (item.n === 5 ? null : item.group), join: added, store, value }),
      toStream(),
    ),
};

const processes: Record<string, Step> = {
  'process with a store': (source, name) =>
    source.pipe(
      process(
        { name, stores: { [`${name}-totals`]: numbers }, emits: serdes.json<R['value']>() },
        (record, { stores, emit, now, random }) => {
          const totals = stores[`${name}-totals`]!;
          const total = record.key === null ? 0 : (totals.get(record.key) ?? 0) + (record.value?.n ?? 0);
          if (record.key !== null) totals.put(record.key, total);
          emit({
            key: record.key,
            value: { ...plus(record.value, total), id: `${now()} ${Math.floor(random() * 1e6)}` },
          });
        },
      ),
    ),
  'async process that lists its store': (source, name) =>
    source.pipe(
      process({
        name,
        stores: { [`${name}-seen`]: numbers },
        async process(record: R, { stores, forward }) {
          const seen = stores[`${name}-seen`]!;
          if (record.key !== null) seen.put(record.key, (await seen.load(record.key)) === null ? 1 : 2);
          let all = 0;
          for await (const [, n] of seen.entries()) all = all * 3 + n;
          forward({ key: record.key, value: plus(record.value, all) });
        },
      }),
    ),
  'process with stream-time timers': (source, name) =>
    source.pipe(
      process({
        name,
        stores: { [`${name}-waiting`]: { key: string, value } },
        start({ schedule, stores, forward }) {
          const waiting = stores[`${name}-waiting`]!;
          schedule('10ms', 'stream', async () => {
            for await (const [key, item] of waiting.entries()) {
              forward({ key, value: item } as never);
              waiting.delete(key);
            }
          });
          schedule('7ms', 'stream', (now) => forward({ key: 'tick', value: plus(null, now) } as never));
        },
        process(record: R, { stores, forward }) {
          if (record.key === null || record.value === null) return forward(record);
          stores[`${name}-waiting`]?.put(record.key, record.value);
        },
      }),
    ),
  'process that schedules timers while it runs': (source, name) =>
    source.pipe(
      process({
        name,
        stores: { [`${name}-none`]: numbers },
        process(record: R, { schedule, forward }) {
          if (record.value?.n === 2) {
            const cancel = schedule('5ms', 'stream', (now) => {
              forward({ key: 'once', value: plus(record.value, now) } as never);
              cancel();
            });
          }
          forward(record);
        },
      }),
    ),
  'process that draws ids': (source, name) =>
    source.pipe(
      process({
        name,
        start({ schedule, forward, uuid }) {
          for (const every of ['6ms', '9ms'] as const)
            schedule(every, 'stream', () => forward({ key: every, value: { ...plus(null, 1), id: uuid() } } as never));
        },
        process({ key, value }: R, { forward, uuid, random }) {
          for (let i = 0; i < 2; i++) forward({ key, value: { ...plus(value, Math.floor(random() * 7)), id: uuid() } });
        },
      }),
    ),
  'process that uses the shared table': (source, name) =>
    source.pipe(
      process({
        name,
        uses: ['rows'],
        async process(record: R, { store, forward }) {
          const row = await store<string, Item>('rows').load('b');
          forward({ key: record.key, value: plus(record.value, (record.value?.n ?? 0) + (row?.n ?? 500)) });
        },
      }),
    ),
};

/** Folds over windows, whose results go on under the keys without windows. */
const windows: Record<string, Step> = Object.fromEntries(
  Object.entries({ ...windowFolds, ...timeFolds }).map(([operator, fold]) => [
    operator,
    (source, store) =>
      fold(source, store).pipe(
        toStream(),
        mapValues((result) => (typeof result === 'number' ? plus(null, result) : result)),
        selectKey((record) => record.key.key, { key: string, value, name: `${store}-by-key` }),
      ),
  ]),
);

export const steps: Readonly<Record<string, Step>> = {
  ...stateless,
  ...rekeying,
  ...folds,
  ...windows,
  ...cogroupsAndSuppress,
  ...ordering,
  ...joins,
  ...streamJoins,
  ...tables,
  ...processes,
};

/** Joins of streams multiply records: a random pipeline has one of them at most. */
export const isModest = (names: readonly string[]): boolean => names.filter((name) => name in streamJoins).length <= 1;
