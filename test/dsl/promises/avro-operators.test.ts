// Promise: every operator that keeps records, rows or windows keeps those of Avro keys and values as it keeps any: over a restart in which their schema has changed, it gives what it gives for JSON.
import assert from 'node:assert/strict';
import {
  aggregate,
  cogroup,
  dedupe,
  everyN,
  groupBy,
  hopping,
  joinStream,
  joinTable,
  latestByTimestamp,
  leftJoinStream,
  leftJoinTable,
  outerJoinStream,
  process,
  reduce,
  reorderByVersion,
  repartition,
  type Serde,
  type Stream,
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
  type Windows,
} from 'millrace';
import { avro, MemoryRegistry } from 'millrace/avro';
import type { TestDriver } from 'millrace/testing';
import { isError } from '../../support/errors.js';
import { open } from '../support.js';

interface Key {
  readonly id: number;
}

interface Value {
  readonly name: string;
  readonly n: number;
  /** Which the first schema does not have. */
  readonly note?: string;
}

const keySchema = { type: 'record', name: 'Key', fields: [{ name: 'id', type: 'int' }] } as const;
const v1 = {
  type: 'record',
  name: 'Value',
  fields: [
    { name: 'name', type: 'string' },
    { name: 'n', type: 'int' },
  ],
} as const;
const v2 = { ...v1, fields: [...v1.fields, { name: 'note', type: 'string', default: 'old' }] } as const;

/** How a topology writes everything, and what it makes of the field that only the second schema has. */
interface Setup {
  readonly key: Serde<Key>;
  readonly value: Serde<Value>;
  readonly note: string;
}

const avroOf = (schema: object, note: string): Setup => ({
  key: avro<Key>(JSON.stringify(keySchema)),
  value: avro<Value>(JSON.stringify(schema)),
  note,
});
const BEFORE = avroOf(v1, 'lost');
const AFTER = avroOf(v2, 'new');
/** What comes of it if nothing of it is Avro: the first half has what the second schema makes of values that lack the field. */
const json = (note: string): Setup => ({ key: serdes.json<Key>(), value: serdes.json<Value>(), note });

type Fed = readonly [topic: string, id: number, value: Omit<Value, 'note'> | null, timestamp: number];

interface Case {
  readonly what: string;
  readonly build: (t: TopologyBuilder, setup: Setup) => void;
  readonly before: readonly Fed[];
  readonly after: readonly Fed[];
  /** How the keys of what comes out are written. Default: as all are. */
  readonly out?: (key: Serde<Key>) => Serde<any>;
  readonly stores: readonly string[];
  /** Nothing of the values is kept. */
  readonly keepsNoValues?: true;
  /** Keys are kept as bytes, which are those of the format. */
  readonly keepsKeyBytes?: true;
}

const fed = (topic: string, ...records: (readonly [number, string, number, number])[]): Fed[] =>
  records.map(([id, name, n, timestamp]) => [topic, id, { name, n }, timestamp]);

const folded = ({ value, note }: Setup) => ({
  value,
  initial: (): Value => ({ name: '', n: 0, note }),
  add: (sum: Value, { value: one }: { readonly value: Value }): Value => ({ ...sum, name: one.name, n: sum.n + one.n }),
  merge: (first: Value, second: Value): Value => ({ ...second, n: first.n + second.n }),
});

const input = (t: TopologyBuilder, { key, value }: Setup, topic = 'in'): Stream<Key, Value> =>
  t.stream(topic, { key, value });

const NEAR: Pick<Case, 'before' | 'after'> = {
  before: fed('in', [1, 'a', 1, 100], [2, 'b', 2, 101]),
  after: fed('in', [1, 'c', 3, 104], [3, 'd', 4, 105], [2, 'e', 5, 160], [2, 'f', 6, 230]),
};

const windowedCase = (
  what: string,
  window: Windows,
  options: { readonly emit?: 'onClose'; readonly out?: Case['out']; readonly stores?: readonly string[] } = {},
): Case => {
  const { emit, out = (key) => serdes.windowed(key), stores = ['sums'] } = options;
  return {
    what,
    ...NEAR,
    out,
    stores,
    build: (t, setup) => {
      input(t, setup).pipe(
        aggregate({ store: 'sums', window, ...folded(setup), ...(emit && { emit }) } as never) as any,
        to('out', { key: out(setup.key), value: setup.value }),
      );
    },
  };
};

const joined = (left: Value | null, right: Value | null): Value => ({
  name: `${left?.name ?? '-'}${right?.name ?? '-'}`,
  n: (left?.n ?? 0) + (right?.n ?? 0),
  // Whatever it is made of, the first schema leaves it out.
  note: [left?.note, right?.note].includes('old') ? 'old' : 'new',
});

const joinCase = (what: string, operator: typeof joinStream): Case => ({
  what,
  before: [...fed('in', [1, 'a', 1, 100], [2, 'b', 2, 101]), ...fed('other', [3, 'x', 10, 102])],
  after: [...fed('other', [1, 'y', 20, 105]), ...fed('in', [3, 'c', 3, 106], [1, 'd', 4, 107], [4, 'e', 5, 400])],
  stores: ['join-left', 'join-right'],
  build: (t, setup) => {
    const { key, value } = setup;
    const other = input(t, setup, 'other');
    input(t, setup).pipe(
      operator(other, { store: 'join', within: '10ms', left: value, right: value, join: joined } as never),
      to('out', { key, value }),
    );
  },
});

const CASES: readonly Case[] = [
  windowedCase('aggregate over tumbling windows', tumbling('10ms')),
  windowedCase('aggregate over tumbling windows, for Java', tumbling('10ms'), {
    out: (key) => serdes.timeWindowed(key, '10ms'),
  }),
  windowedCase('aggregate over hopping windows', hopping('10ms', { every: '5ms' })),
  windowedCase('aggregate over sessions', session('20ms')),
  windowedCase('aggregate over sessions, for Java', session('20ms'), { out: (key) => serdes.sessionWindowed(key) }),
  windowedCase('aggregate over sliding windows', sliding('20ms')),
  windowedCase('aggregate over so many records', everyN(2)),
  ...[tumbling('10ms'), session('20ms'), sliding('20ms')].map((window) =>
    windowedCase(`aggregate over ${window.label} windows that are emitted once they are closed`, window, {
      emit: 'onClose',
      stores: ['sums', 'sums-closing'],
    }),
  ),
  {
    what: 'suppress until windows close',
    ...NEAR,
    out: (key) => serdes.windowed(key),
    stores: ['sums', 'held'],
    build: (t, setup) => {
      const { key, value } = setup;
      input(t, setup).pipe(
        aggregate({ store: 'sums', window: tumbling('10ms'), ...folded(setup) }),
        suppress({ store: 'held', until: 'windowCloses', value, maxBytes: 10_000 }),
        to('out', { key: serdes.windowed(key), value }),
      );
    },
  },
  {
    what: 'suppress until a time limit',
    ...NEAR,
    stores: ['held', 'held-places'],
    build: (t, setup) => {
      const { key, value } = setup;
      input(t, setup).pipe(
        aggregate({ store: 'sums', ...folded(setup) }),
        suppress({ store: 'held', until: { timeLimit: '30ms' }, value, maxRecords: 100 }),
        to('out', { key, value }),
      );
    },
  },
  {
    what: 'a repartition of windows',
    ...NEAR,
    out: (key) => serdes.windowed(key),
    stores: ['rows'],
    build: (t, setup) => {
      const { key, value } = setup;
      input(t, setup).pipe(
        aggregate({ store: 'sums', window: tumbling('10ms'), ...folded(setup) }),
        repartition({ name: 'moved', key: serdes.windowed(key), value }),
        toStream(),
        toTable({ store: 'rows', value }),
        to('out', { key: serdes.windowed(key), value }),
      );
    },
  },
  {
    what: 'cogroup',
    before: [...fed('in', [1, 'a', 1, 100]), ...fed('other', [2, 'b', 2, 101])],
    after: [...fed('other', [1, 'c', 3, 102]), ...fed('in', [2, 'd', 4, 103], [3, 'e', 5, 104])],
    stores: ['sums'],
    build: (t, setup) => {
      const { key, value } = setup;
      const { add, initial } = folded(setup);
      const other = input(t, setup, 'other');
      cogroup<Key, Value>({ store: 'sums', value, initial }, (from) => [
        from(input(t, setup), add),
        from(other, add),
      ]).pipe(to('out', { key, value }));
    },
  },
  {
    what: 'cogroup over sessions',
    before: [...fed('in', [1, 'a', 1, 100]), ...fed('other', [2, 'b', 2, 101])],
    after: [...fed('other', [1, 'c', 3, 102]), ...fed('in', [2, 'd', 4, 103], [3, 'e', 5, 104])],
    out: (key) => serdes.windowed(key),
    stores: ['sums'],
    build: (t, setup) => {
      const { key, value } = setup;
      const { add, ...others } = folded(setup);
      const other = input(t, setup, 'other');
      cogroup<Key, Value>({ store: 'sums', window: session('20ms'), ...others }, (from) => [
        from(input(t, setup), add),
        from(other, add),
      ]).pipe(to('out', { key: serdes.windowed(key), value }));
    },
  },
  joinCase('joinStream', joinStream),
  joinCase('leftJoinStream', leftJoinStream as never),
  joinCase('outerJoinStream', outerJoinStream as never),
  {
    what: 'a table that keeps its past, and a join as of each record with a grace',
    before: [...fed('rows', [1, 'r', 1, 100], [1, 's', 2, 120]), ...fed('in', [1, 'a', 3, 125], [1, 'b', 4, 126])],
    after: [...fed('rows', [1, 't', 5, 110]), ...fed('in', [1, 'c', 6, 121], [1, 'd', 7, 140], [1, 'e', 8, 190])],
    stores: ['rows', 'held'],
    build: (t, setup) => {
      const { key, value } = setup;
      const rows = t.table('rows', { key, value, store: 'rows', history: '1s' });
      input(t, setup).pipe(
        joinTable(rows, { join: joined, grace: '10ms', store: 'held', value }),
        to('out', { key, value }),
      );
    },
  },
  {
    what: 'toTable with a history, of whose rows a process asks for the past',
    before: fed('in', ...Array.from({ length: 40 }, (_, i) => [1, `a${i}`, i, 100 + i] as const)),
    after: fed('in', [1, 'late', 99, 103], [1, 'b', 5, 180]),
    stores: ['rows', 'last'],
    build: (t, setup) => {
      const { key, value } = setup;
      input(t, setup).pipe(
        toTable({ store: 'rows', value, history: '1s' }),
        toStream(),
        process<any, any, any>({
          name: 'asking',
          uses: ['rows'],
          stores: { last: { key, value, history: '1s' } },
          reads: ({ key: own }) => [
            ['rows', own, 105],
            ['last', own, 105],
          ],
          async process(record, { stores, versionedStore, forward }) {
            // Before it asks: whatever has to be fetched, it is not run twice.
            forward(record);
            const last = stores.last as any;
            await last.load(record.key, record.timestamp);
            last.put(record.key, record.value, record.timestamp);
            const rows = versionedStore<Key, Value>('rows');
            await rows.load(record.key, 105);
            const then = rows.get(record.key, 105);
            await last.load(record.key, 105);
            forward({ key: record.key, value: joined(then, last.get(record.key, 105)) });
          },
        }),
        to('out', { key, value }),
      );
    },
  },
  ...(['joinTable', 'leftJoinTable'] as const).map(
    (operator): Case => ({
      what: `${operator} by a foreign key`,
      before: [...fed('rows', [1, 'r', 1, 100]), ...fed('in', [7, 'a', 1, 101], [8, 'b', 2, 102])],
      after: [...fed('rows', [1, 's', 3, 103], [2, 't', 4, 104]), ...fed('in', [9, 'c', 1, 105], [7, 'd', 2, 106])],
      stores: ['left', 'rows', 'both'],
      build: (t, setup) => {
        const { key, value } = setup;
        const rows = t.table('rows', { key, value, store: 'rows' });
        const join = operator === 'joinTable' ? joinTable : leftJoinTable;
        t.table('in', { key, value, store: 'left' }).pipe(
          join(rows, {
            store: 'both',
            value,
            foreignKey: ({ n }: Value): Key => ({ id: n }),
            join: joined,
          }) as any,
          to('out', { key, value }),
        );
      },
    }),
  ),
  {
    what: 'a join of two tables',
    before: [...fed('rows', [1, 'r', 1, 100]), ...fed('in', [2, 'a', 1, 101])],
    after: [...fed('in', [1, 'b', 2, 102]), ...fed('rows', [2, 's', 3, 103])],
    stores: ['left', 'rows'],
    build: (t, setup) => {
      const { key, value } = setup;
      const rows = t.table('rows', { key, value, store: 'rows' });
      t.table('in', { key, value, store: 'left' }).pipe(
        joinTable(rows, joined as never),
        to('out', { key, value } as never),
      );
    },
  },
  {
    what: 'a fold of a table that was grouped',
    before: fed('in', [1, 'a', 1, 100], [2, 'b', 1, 101]),
    after: fed('in', [1, 'c', 2, 102], [3, 'd', 1, 103]),
    stores: ['rows', 'sums'],
    build: (t, setup) => {
      const { key, value } = setup;
      const { add, initial } = folded(setup);
      t.table('in', { key, value, store: 'rows' }).pipe(
        groupBy(({ value: { n } }): Key => ({ id: n }), { name: 'by-n', key, value }),
        aggregate({
          store: 'sums',
          value,
          initial,
          add,
          subtract: (sum, { value: { n } }) => ({ ...sum, n: sum.n - n }),
        }),
        to('out', { key, value }),
      );
    },
  },
  {
    what: 'reorderByVersion',
    before: fed('in', [1, 'c', 3, 100], [2, 'b', 2, 101]),
    after: fed('in', [2, 'a', 1, 102], [1, 'b', 2, 103], [1, 'a', 1, 104]),
    stores: ['versions'],
    build: (t, setup) => {
      const { key, value } = setup;
      input(t, setup).pipe(
        reorderByVersion({ store: 'versions', version: (record) => record.value.n, first: 1, key, value }),
        to('out', { key, value }),
      );
    },
  },
  {
    what: 'latestByTimestamp',
    before: fed('in', [1, 'a', 1, 100]),
    after: fed('in', [1, 'b', 2, 99], [1, 'c', 3, 101]),
    stores: [],
    keepsNoValues: true,
    build: (t, setup) => {
      const { key, value } = setup;
      input(t, setup).pipe(latestByTimestamp({ store: 'latest' } as never), to('out', { key, value } as never));
    },
  },
  {
    what: 'dedupe',
    before: fed('in', [1, 'a', 1, 100], [2, 'a', 1, 101]),
    after: fed('in', [1, 'a', 2, 102], [1, 'b', 2, 103], [3, 'a', 1, 104]),
    stores: ['seen'],
    keepsNoValues: true,
    keepsKeyBytes: true,
    build: (t, setup) => {
      const { key, value } = setup;
      input(t, setup).pipe(
        dedupe({ store: 'seen', id: (record) => record.value.name, within: '1s' }),
        to('out', { key, value }),
      );
    },
  },
];

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const sorted = (all: readonly unknown[]): readonly string[] => all.map((one) => JSON.stringify(one)).sort();

const topologyOf = ({ build }: Case, setup: Setup): Topology => topology('kept', (t) => build(t, setup));

async function feed(driver: TestDriver, records: readonly Fed[], { key, value, note }: Setup): Promise<void> {
  for (const topic of new Set(records.map(([name]) => name)))
    await driver
      .input(topic, { key, value })
      .sendAll(
        records
          .filter(([name]) => name === topic)
          .map(([, id, content, timestamp]) => ({ key: { id }, value: content && { ...content, note }, timestamp })),
      );
}

/** What comes out, and what is kept, as plain data. `again`: what happens between the two halves. */
async function run(one: Case, first: Setup, second: Setup, again: 'restart' | 'crash', batchRecords: number) {
  const { before, after, stores, keepsKeyBytes = false, out = (key) => key } = one;
  const driver = await open(topologyOf(one, first), {
    schemaRegistry: new MemoryRegistry(),
    batchRecords,
    partitions: 1,
  });
  await feed(driver, before, first);
  if (again === 'crash') await driver.crash();
  await driver.restart(topologyOf(one, second));
  await feed(driver, after, second);
  const records = await driver.output('out', { key: out(second.key), value: second.value }).read();
  const rows = async (store: string): Promise<readonly string[]> => {
    const entries = await driver.store(store).entries();
    return sorted(keepsKeyBytes ? entries.map(([, value]) => value) : entries);
  };
  const kept = await Promise.all(stores.map(rows));
  // Everything once more, from what is written now.
  await driver.crash();
  await driver.restart(topologyOf(one, second));
  const reopened = await Promise.all(stores.map(rows));
  assert.deepEqual(reopened, kept);
  await driver.close();
  return { records: records.map(({ key, value, timestamp }) => plain({ key, value, timestamp })), kept };
}

describe('Avro keys and values, and a schema that changes, in', () => {
  for (const one of CASES) {
    it(one.what, async () => {
      const expected = await run(one, json('old'), json('new'), 'restart', 1000);
      assert.ok(expected.records.length > one.before.length / 2);
      if (!one.keepsNoValues) assert.match(JSON.stringify(expected.records.at(-1)) + JSON.stringify(expected), /old/);
      for (const again of ['restart', 'crash'] as const)
        for (const batchRecords of [1, 1000])
          assert.deepEqual(await run(one, BEFORE, AFTER, again, batchRecords), expected, `${again}, ${batchRecords}`);
    });
  }
});

describe('a schema of keys or values that does not get on with what is kept in', () => {
  const otherKey = { ...keySchema, fields: [...keySchema.fields, { name: 'more', type: 'int', default: 0 }] };
  const needing = { ...v1, fields: [...v1.fields, { name: 'needed', type: 'string' }] };
  for (const one of CASES.filter(({ keepsNoValues }) => !keepsNoValues)) {
    it(`${one.what} is refused at the start`, async () => {
      const schemaRegistry = new MemoryRegistry({ compatibility: 'NONE' });
      const driver = await open(topologyOf(one, BEFORE), { schemaRegistry });
      await feed(driver, one.before, BEFORE);
      await assert.rejects(
        driver.restart(topologyOf(one, { ...avroOf(needing, ''), key: BEFORE.key })),
        isError('STATE_MISMATCH', /needed: the field has no default/),
      );
      // What is reordered is found by the text of its key.
      if (one.what === 'reorderByVersion') return;
      const other = { ...BEFORE, key: avro<Key>(JSON.stringify(otherKey)) };
      await assert.rejects(driver.restart(topologyOf(one, other)), isError('STATE_MISMATCH', /its keys/));
    });
  }
});

describe('a process with stores of several Avro keys', () => {
  it('finds that of the record in those whose keys have its schema, and loads the others when it is told', async () => {
    const { key, value } = AFTER;
    const byName = avro({ type: 'record', name: 'Name', fields: [{ name: 'name', type: 'string' }] });
    const driver = await open(
      topology('several', (t) => {
        t.stream('in', { key, value }).pipe(
          process<any, any, any>({
            name: 'counting',
            stores: { own: { key, value: serdes.int64 }, names: { key: byName, value: serdes.int64 } },
            async process(record, { stores, forward }) {
              const { own, names } = stores as any;
              const { name } = record.value;
              own.put(record.key, (own.get(record.key) ?? 0) + 1);
              names.put({ name }, ((await names.load({ name })) ?? 0) + 1);
              forward({ key: record.key, value: `${own.get(record.key)} ${names.get({ name })}` });
            },
          }),
          to('out', { key, value: serdes.string }),
        );
      }),
    );
    await feed(driver, fed('in', [1, 'a', 1, 1], [2, 'a', 1, 2], [1, 'b', 1, 3]), AFTER);
    assert.deepEqual(await driver.output('out', { key, value: serdes.string }).values(), ['1 1', '1 2', '2 1']);
  });
});

describe('a process that emits Avro', () => {
  it('writes its values to the repartition topic with their schema, which refuses what does not fit', async () => {
    const emits = avro({ type: 'record', name: 'Sum', fields: [{ name: 'cents', type: 'int' }] });
    const target = topology('emitting', (t) => {
      t.stream('in', { key: serdes.string, value: serdes.json<number>() }).pipe(
        process({ name: 'sums', emits, rekey: { name: 'by-sign', key: serdes.string } }, ({ value }, { emit }) =>
          emit({ key: value < 0 ? 'minus' : 'plus', value: { cents: value } }),
        ),
        reduce({ store: 'sums', value: serdes.json(), add: (a, b) => ({ cents: a.cents + b.cents }) }),
      );
    });
    const driver = await open(target, { onError: { produce: 'skip' } });
    await driver
      .input('in', { key: serdes.string, value: serdes.json<number>() })
      .sendAll([5, -2, 0.5, 7].map((value) => ({ key: 'a', value })));
    assert.deepEqual(await driver.store('sums').entries(), [
      ['minus', { cents: -2 }],
      ['plus', { cents: 12 }],
    ]);
  });
});
