import assert from 'node:assert/strict';
import fc from 'fast-check';
import { filter, type Observable } from 'rxjs';
import {
  aggregate,
  cogroup,
  dedupe,
  type ErrorPolicy,
  everyN,
  hopping,
  joinGlobalTable,
  joinStream,
  joinTable,
  leftJoinStream,
  mapValues,
  outerJoinStream,
  process,
  reduce,
  reorderByVersion,
  type Serde,
  type StreamRecord,
  serdes,
  session,
  sliding,
  suppress,
  type Topology,
  type TopologyBuilder,
  to,
  topology,
  toStream,
  toTable,
  tumbling,
} from '#src/index.js';
import { TestDriver, type TestDriverOptions } from '#src/testing/index.js';
import { deadLetters, failure, feed, json, open, read, rows, through, values } from '../support.js';

/**
 * What comes in. Of a bad one something is made that no store writes; what is left out is there for
 * comparison.
 */
interface Item {
  readonly n: number;
  readonly is: 'good' | 'bad' | 'out';
}

type Source = Observable<StreamRecord<any, any>>;

interface Parts {
  readonly t: TopologyBuilder;
  /** Numbers, and what the serde does not write. */
  readonly input: Source;
  readonly other: Source;
  readonly items: Source;
  readonly made: (item: Item) => unknown;
  readonly value: Serde<any>;
}

const cycle: unknown[] = [];
cycle.push({ cycle });

/** Without a `check`: stores have to ask `encode`. */
const whole: Serde<number> = {
  name: 'whole',
  encode(value) {
    if (!Number.isInteger(value)) throw new Error(`saw ${String(value)}, expected a whole number`);
    return serdes.double.encode(value);
  },
  decode: serdes.double.decode,
};

/** Serdes, and values that they do not write. */
const PICKY: readonly (readonly [serde: Serde<any>, bad: readonly unknown[]])[] = [
  [serdes.int64, [0.5, Number.NaN, 2 ** 60, 1n, 'text', undefined]],
  [serdes.json(), [1n, cycle, { deep: [1n] }, undefined, Number.NaN, () => 1, Symbol('s')]],
  [whole, [0.5, undefined]],
];

const HALF = 'half an emoji \ud83d';
const plus = (total: any, value: any): any => (Number.isSafeInteger(value) ? total + value : value);
const adding = { initial: () => 0, add: (all: any, record: any) => plus(all, record.value) };

/** Each operator with a store that may be given a value that the store does not write. */
const VALUES: Record<string, (parts: Parts) => Source> = {
  aggregate: ({ input, value }) => input.pipe(aggregate({ store: 's', value, ...adding }), toStream()),
  reduce: ({ input, value }) => input.pipe(reduce({ store: 's', value, add: plus }), toStream()),
  cogroup: ({ input, other, value }) =>
    cogroup<string, any>({ store: 's', value, initial: () => 0 }, (add) => [
      add(input, adding.add),
      add(other, adding.add),
    ]).pipe(toStream()) as Source,
  toTable: ({ input, value }) => input.pipe(toTable({ store: 's', value }), toStream()),
  'toTable with history': ({ input, value }) => input.pipe(toTable({ store: 's', value, history: '15ms' }), toStream()),
  'suppress until a time limit': ({ items, made, value }) =>
    items.pipe(
      toTable({ store: 'items', value: serdes.json<Item>() }),
      mapValues(made),
      suppress({ store: 's', value, until: { timeLimit: '5ms' } }),
      toStream(),
    ) as Source,
  reorderByVersion: ({ input, value }) =>
    input.pipe(
      // A version that is next is not kept, so nothing has to be written of it.
      reorderByVersion({
        store: 's',
        value,
        version: (r) => (Number.isSafeInteger(r.value) ? (r.timestamp * 7) % 23 : 1_000),
        first: 0,
        stale: 'pass',
      }),
    ),
  'joinTable with grace': ({ input, t, value }) =>
    input.pipe(
      joinTable(t.table('rows', { ...json<number>(), store: 'rows', history: '1s' }), {
        join: (n) => n,
        grace: '4ms',
        store: 's',
        value,
      }),
    ) as Source,
  joinTable: ({ items, made, t, value }) =>
    items.pipe(
      toTable({ store: 'items', value: serdes.json<Item>() }),
      joinTable(t.table('rows', { ...json<number>(), store: 'rows' }), {
        foreignKey: (item: Item) => (item.n % 2 === 0 ? 'a' : 'b'),
        // Undefined would be no row.
        join: (item) => made(item) ?? 1n,
        store: 's',
        value,
      }),
      toStream(),
    ) as Source,
  'process with two stores': ({ input, value }) =>
    input.pipe(
      process({
        name: 'two',
        stores: { s: { key: serdes.string, value }, more: { key: serdes.string, value, ttl: '20ms' } },
        process(record: StreamRecord<string, unknown>, { stores, forward }) {
          stores.s.put(record.key, record.value);
          stores.more.put(`${record.key}2`, record.value);
          forward(record);
        },
      }),
    ),
};

for (const [name, window] of Object.entries({
  tumbling: tumbling('10ms', { grace: '1s' }),
  hopping: hopping('10ms', { every: '3ms', grace: '1s' }),
  sliding: sliding('10ms', { grace: '1s' }),
  session: session('4ms', { grace: '1s' }),
  'every two': everyN(2),
})) {
  for (const emit of ['updates', 'onClose'] as const) {
    const windowed = { store: 's', window, emit, merge: plus, ...adding } as any;
    VALUES[`aggregate of ${name} windows, ${emit}`] = ({ input, value }) =>
      input.pipe(aggregate({ ...windowed, value }), toStream()) as Source;
  }
  if (name !== 'every two') {
    VALUES[`suppress of ${name} windows`] = ({ items, made, value }) =>
      items.pipe(
        aggregate({
          store: 'items',
          window,
          value: serdes.json<Item>(),
          initial: () => ({ n: 0, is: 'good' }),
          merge: (_: Item, b: Item) => b,
          add: (_: Item, record: any) => record.value,
        } as any),
        mapValues(made as any),
        suppress({ store: 's', value, until: 'windowCloses' }),
        toStream(),
      ) as Source;
  }
}

for (const [name, join] of Object.entries({ joinStream, leftJoinStream, outerJoinStream })) {
  VALUES[name] = ({ input, other, value }) =>
    input.pipe(
      (join as typeof outerJoinStream)(other, {
        store: 's',
        within: '6ms',
        left: value,
        right: value,
        join: (a, b) => [a, b],
      }),
    ) as Source;
}

/** Each operator that may be given a key that its store does not write. */
const KEYS: Record<string, (items: Source, key: (item: Item, own: string) => string, t: TopologyBuilder) => Source> = {
  dedupe: (items, key) =>
    items.pipe(dedupe({ store: 's', id: (r) => key(r.value, `${r.value.n}`), within: '1s', scope: 'partition' })),
  'reorderByVersion with an entity': (items, key) =>
    items.pipe(
      reorderByVersion({
        store: 's',
        entity: (r) => key(r.value, r.key as string),
        version: (r) => (r.timestamp * 7) % 23,
        first: 0,
        stale: 'pass',
      }),
    ) as Source,
  'process with reads': (items, key) =>
    items.pipe(
      process({
        name: 'counting',
        stores: { s: { key: serdes.string, value: serdes.int64 } },
        scope: 'partition',
        reads: ({ key: own, value }: StreamRecord<string, Item>) => [['s', key(value, own)]],
        process(record: StreamRecord<string, Item>, { stores, forward }) {
          const own = key(record.value, record.key);
          stores.s.put(own, (stores.s.get(own) ?? 0) + 1);
          forward({ ...record, value: stores.s.get(own) } as any);
        },
      }),
    ) as Source,
  'process that loads': (items, key) =>
    items.pipe(
      process({
        name: 'loading',
        stores: { s: { key: serdes.string, value: serdes.int64, ttl: '1s' } },
        scope: 'partition',
        reads: () => [],
        async process(record: StreamRecord<string, Item>, { stores, forward }) {
          const own = key(record.value, record.key);
          stores.s.put(own, ((await stores.s.load(own)) ?? 0) + 1);
          forward(record);
        },
      }),
    ) as Source,
  'a foreign key': (items, key, t) =>
    items.pipe(
      toTable({ store: 'items', value: serdes.json<Item>() }),
      joinTable(t.table('rows', { ...json<number>(), store: 'rows' }), {
        foreignKey: (item: Item) => key(item, item.n % 2 === 0 ? 'a' : 'b'),
        join: ({ n }) => n,
        store: 's',
        value: serdes.json<number>(),
      }),
      toStream(),
    ) as Source,
  'the key of a global row': (items, key, t) =>
    items.pipe(
      joinGlobalTable(t.globalTable('rows', { ...json<number>(), store: 'rows' }), {
        key: (r) => key(r.value as Item, r.key as string),
        join: (item, row) => [item, row],
      }),
    ) as Source,
};

/** What is left out is not seen by anything but the log: the offsets of all others are the same. */
const seen = (source: Observable<StreamRecord<string, Item | null>>): Source =>
  source.pipe(filter(({ value }) => value?.is !== 'out')) as Source;

const pipeline = (build: (t: TopologyBuilder, items: Source, others: Source) => Source): Topology =>
  topology('test', (t) => {
    const [items, others] = [seen(t.stream('in', json<Item>())), seen(t.stream('more', json<Item>()))];
    build(t, items, others).pipe(to('out', { key: serdes.json<any>(), value: serdes.json<any>() }));
  });

interface Fed extends Item {
  readonly topic: 'in' | 'more';
  readonly key: string;
  /** Of a run: then the task is opened again. */
  readonly last: boolean;
}

const fed: fc.Arbitrary<Fed> = fc.record({
  topic: fc.constantFrom('in', 'in', 'more'),
  key: fc.constantFrom('a', 'b'),
  n: fc.nat({ max: 5 }),
  is: fc.constantFrom<Item['is']>('good', 'good', 'good', 'bad'),
  last: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
});

const options: fc.Arbitrary<TestDriverOptions> = fc.record({
  batchRecords: fc.constantFrom(1, 2, 7, 1_000),
  cacheBytes: fc.constantFrom(1, 1_000, 10_000_000),
  guarantee: fc.constantFrom('at_least_once', 'exactly_once'),
  onError: fc.record({
    process: fc.constantFrom<ErrorPolicy>('skip', 'deadLetter', { retry: 1, backoff: '0ms', then: 'skip' }),
    // A foreign key and an answer go through a repartition topic, whose writing has a policy of its own.
    produce: fc.constant('skip' as const),
  }),
});

/** What came out of each key, in order, and what is in the stores. */
async function outcome(target: Topology, given: readonly Fed[], settings: TestDriverOptions): Promise<unknown> {
  const driver = await TestDriver.create(target, settings);
  if (target.graph.nodes.some((node) => 'topic' in node && node.topic === 'rows')) {
    await feed(driver, 'rows', [
      ['a', 1, 0],
      ['b', 2, 0],
    ]);
  }
  let timestamp = 1;
  let waiting: [Fed['topic'], string, Item, number][] = [];
  // Fed while the engine is down, so that one run takes all of it.
  const restart = async (): Promise<void> => {
    await driver.crash();
    for (const topic of ['in', 'more'] as const)
      await feed(
        driver,
        topic,
        waiting.filter(([of]) => of === topic).map(([, key, item, at]) => [key, item, at]),
      );
    waiting = [];
    await driver.restart();
    await driver.run();
  };
  for (const { topic, key, n, is, last } of given) {
    // Its time counts, whatever becomes of a record: those that differ have the time of the one before.
    if (is === 'good') timestamp += 1 + n;
    waiting.push([topic, key, { n, is }, timestamp]);
    if (last) await restart();
  }
  await restart();
  await driver.restart();
  const byKey: Record<string, unknown[]> = {};
  for (const [key, value, at] of await read(driver)) {
    // A joined row that cannot be written is none: that is told of the key that only bad items have.
    if (key === JSON.stringify('z') && value === null) continue;
    byKey[JSON.stringify(key)] ??= [];
    byKey[JSON.stringify(key)]?.push([value, at]);
  }
  const stores: Record<string, unknown> = {};
  // What comes before the operator has taken the record, which is not bad there.
  for (const { name } of target.graph.stores)
    if (name !== 'items' && name !== 's-subscribers') stores[name] = await driver.store(name).entries();
  await driver.close();
  return { byKey, stores };
}

/**
 * Behind a table that has taken the record: there it is a row, and what was there before it. It gets a key of
 * its own.
 */
const BEHIND_A_TABLE = /^(suppress|joinTable$|a foreign key)/;

const withOwnKeys = (given: readonly Fed[]): readonly Fed[] =>
  given.map((item) => (item.is === 'bad' ? { ...item, key: 'z' } : item));

async function sameAsWithout(target: () => Topology, given: readonly Fed[], settings: TestDriverOptions) {
  const without = given.map((item): Fed => (item.is === 'bad' ? { ...item, is: 'out' } : item));
  const expected = await outcome(target(), without, { ...settings, batchRecords: 1, cacheBytes: 10_000_000 });
  assert.deepEqual(await outcome(target(), given, settings), expected);
}

describe('what a store does not write fails as its record, and all others are as without it', () => {
  const feeds = fc.array(fed, { minLength: 1, maxLength: 14 });

  for (const [name, build] of Object.entries(VALUES)) {
    it(`a value: ${name}`, async () => {
      const poison = fc
        .constantFrom(...PICKY)
        .chain(([value, bad]) => fc.record({ value: fc.constant(value), bad: fc.constantFrom(...bad) }));
      await fc.assert(
        fc.asyncProperty(poison, feeds, options, async ({ value, bad }, given, settings) => {
          const made = (item: Item | null): unknown => (item === null ? null : item.is === 'bad' ? bad : item.n);
          const target = () =>
            pipeline((t, items, others) => {
              const [input, other] = [items.pipe(mapValues(made)), others.pipe(mapValues(made))] as [Source, Source];
              return build({ t, input, other, items, made, value });
            });
          await sameAsWithout(target, BEHIND_A_TABLE.test(name) ? withOwnKeys(given) : given, settings);
        }),
        { numRuns: 25 },
      );
    });
  }

  for (const [name, build] of Object.entries(KEYS)) {
    it(`a key: ${name}`, async () => {
      const key = (item: Item, own: string): string => (item.is === 'bad' ? HALF : own);
      const target = () => pipeline((t, items) => build(items, key, t));
      await fc.assert(
        fc.asyncProperty(feeds, options, (given, settings) =>
          sameAsWithout(target, BEHIND_A_TABLE.test(name) ? withOwnKeys(given) : given, settings),
        ),
        { numRuns: 25 },
      );
    });
  }
});

describe('a record that a store refuses', () => {
  const sums = through<number>((input) =>
    input.pipe(
      aggregate({ store: 'sums', value: serdes.int64, initial: () => 0, add: (sum, { value }) => sum + value }),
    ),
  );

  it('is named by the error, with the store, the value and what is expected, at each start', async () => {
    const driver = await open(sums);
    const refused = failure(
      'SERIALIZE_FAILED',
      /^cannot process in\[0\]@1: .*int64: saw the number 0\.5, expected .* at store sums/,
    );
    await assert.rejects(
      feed(driver, 'in', [
        ['a', 1],
        ['b', 0.5],
        ['c', 1],
      ]),
      refused,
    );
    const again = async (): Promise<void> => {
      await driver.restart();
      await driver.run();
    };
    await assert.rejects(again(), refused);
  });

  it('is a dead letter with its bytes', async () => {
    const driver = await open(sums, { onError: { process: 'deadLetter' } });
    await feed(driver, 'in', [
      ['a', 1],
      ['b', 0.5],
      ['a', 2],
    ]);
    assert.deepEqual(
      (await deadLetters(driver)).map(({ key, value, code, from, operator }) => [key, value, code, from, operator]),
      [['b', 0.5, 'SERIALIZE_FAILED', 'in[0]@1', 'aggregate sums']],
    );
    assert.deepEqual(await values(driver), [1, 3]);
  });

  it('is refused also if another one would have made the row good before the commit', async () => {
    const driver = await open(sums, { onError: { process: 'skip' } });
    await feed(driver, 'in', [
      ['a', 0.5],
      ['a', 0.5],
      ['a', 1],
    ]);
    assert.deepEqual(await values(driver), [1]);
    assert.deepEqual(await rows(driver, 'sums'), { a: 1 });
  });

  it('undefined is no deletion: the function forgot to return', async () => {
    const forgetful = through<number>((input) =>
      input.pipe(
        aggregate<StreamRecord<string, number>, number>({
          store: 'sums',
          value: serdes.json(),
          initial: () => 0,
          add: (sum, { value }) => (value > 5 ? (undefined as unknown as number) : sum + value),
        }),
      ),
    );
    const driver = await open(forgetful, { onError: { process: 'skip' } });
    await feed(driver, 'in', [
      ['a', 1],
      ['a', 9],
    ]);
    assert.deepEqual(await rows(driver, 'sums'), { a: 1 });
  });
});

describe('a timer that puts what its store does not write', () => {
  const ticking = (clock: 'stream' | 'wall'): Topology =>
    through<number>((input) =>
      input.pipe(
        process({
          name: 'ticking',
          stores: { last: { key: serdes.string, value: serdes.int64 } },
          start({ schedule, stores }) {
            schedule('10ms', clock, (now) => {
              stores.last.put('tick', now === 20 ? 0.5 : now);
            });
          },
          process(record: StreamRecord<string, number>, { forward }) {
            forward(record);
          },
        }),
      ),
    );

  it('goes the way of the record that made it due, and fires again', async () => {
    const driver = await open(ticking('stream'), { onError: { process: 'deadLetter' } });
    await feed(driver, 'in', [
      ['a', 1, 11],
      ['b', 2, 20],
    ]);
    assert.deepEqual(await rows(driver, 'last'), { tick: 11 });
    assert.deepEqual(
      (await deadLetters(driver)).map(({ value, from, operator }) => [value, from, operator]),
      [[2, 'in[0]@1', 'process ticking']],
    );
    await feed(driver, 'in', [['a', 3, 30]]);
    assert.deepEqual(await rows(driver, 'last'), { tick: 30 });
    assert.deepEqual(await values(driver), [1, 2, 3]);
  });

  it('of the wall clock has no record: it is skipped, and fires again', async () => {
    const driver = await open(ticking('wall'), { onError: { process: 'skip' } });
    await feed(driver, 'in', [['a', 1, 5]]);
    await driver.advance('10ms');
    await driver.advance('10ms');
    assert.deepEqual(await rows(driver, 'last'), { tick: 10 });
    await driver.advance('10ms');
    assert.deepEqual(await rows(driver, 'last'), { tick: 30 });
  });

  it('stops the application without a policy', async () => {
    const driver = await open(ticking('stream'));
    await assert.rejects(feed(driver, 'in', [['b', 2, 20]]), failure('SERIALIZE_FAILED', /in\[0\]@0/));
  });
});

describe('a global table', () => {
  it('leaves out a row whose key cannot be written again, by the policy of reading', async () => {
    // Reads what others wrote, and refuses to write it.
    const odd: Serde<string> = {
      name: 'odd',
      encode(value) {
        if (value === 'odd') throw new Error(`saw ${value}, expected anything else`);
        return serdes.string.encode(value);
      },
      decode: serdes.string.decode,
    };
    const target = topology('test', (t) => {
      const table = t.globalTable('rows', { key: odd, value: serdes.json<number>(), store: 'rows' });
      t.stream('in', json<number>()).pipe(
        joinGlobalTable(table, { key: ({ key }) => key, join: (value, row) => [value, row] }),
        to('out', json<number[]>()),
      );
    });
    const driver = await open(target, { onError: { deserialize: 'skip', process: 'skip' } });
    await feed(driver, 'rows', [
      ['odd', 1],
      ['a', 2],
    ]);
    await feed(driver, 'in', [
      ['odd', 10],
      ['a', 20],
    ]);
    assert.deepEqual(await values(driver), [[20, 2]]);
  });
});
