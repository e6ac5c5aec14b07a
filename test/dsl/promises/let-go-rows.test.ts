import assert from 'node:assert/strict';
import fc from 'fast-check';
import { map } from 'rxjs';
import {
  aggregate,
  type ErrorPolicy,
  groupBy,
  joinTable,
  leftJoinTable,
  mapValues,
  reduce,
  type Serde,
  serdes,
  suppress,
  type Table,
  topology,
} from '#src/index.js';
import { NotReady } from '#src/model/not-ready.js';
import { feed, json, open, rows } from '../support.js';

/** Without a `check`: who wants to know has to encode. */
const whole: Serde<number> = {
  name: 'whole',
  encode(value) {
    if (!Number.isInteger(value)) throw new Error(`saw ${String(value)}, expected a whole number`);
    return serdes.double.encode(value);
  },
  decode: serdes.double.decode,
};

type Row = { readonly group: string; readonly n: number };

const row: fc.Arbitrary<Row> = fc.record({ group: fc.constantFrom('x', 'y'), n: fc.constantFrom(1, 2, 3, 0.5, 1.5) });
const step: fc.Arbitrary<readonly [key: string, row: Row | null] | 'restart' | 'crash'> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.option(row, { freq: 4, nil: null })) },
  { weight: 1, arbitrary: fc.constantFrom('restart' as const, 'crash' as const) },
);
const steps = fc.array(step, { minLength: 1, maxLength: 20 });
const policies = fc.constantFrom<ErrorPolicy>('skip', 'deadLetter', { retry: 1, backoff: '0ms', then: 'skip' });

/** Sums by group of the rows that can be written. */
function sumsOf(table: ReadonlyMap<string, Row | null>): Record<string, number> {
  const sums: Record<string, number> = { x: 0, y: 0 };
  for (const now of table.values())
    if (now !== null && Number.isInteger(now.n)) sums[now.group] = (sums[now.group] ?? 0) + now.n;
  return sums;
}

/** A table whose rows are summed up by group. */
type Build = (table: Table<string, Row>) => unknown;

const grouped =
  (value: Serde<any>) =>
  (table: Table<string, Row>): Table<string, Row> =>
    table.pipe(groupBy((record) => record.value.group, { key: serdes.string, value, name: 'by-group' }));

/** Rows of whole numbers, as their group and number. */
const wholeRows: Serde<Row> = {
  name: 'whole-rows',
  encode: ({ group, n }) => Buffer.concat([whole.encode(n), Buffer.from(group)]),
  decode: (bytes) => ({ n: whole.decode(bytes.subarray(0, 8)), group: bytes.toString('utf8', 8) }),
};

const summing = (value: Serde<number>) => (table: Table<string, any>) =>
  table.pipe(
    aggregate({
      store: 'sums',
      value,
      initial: () => 0,
      add: (sum, record) => sum + record.value.n,
      subtract: (sum, record) => sum - record.value.n,
    }),
  );

/** Where a row is that cannot be written: in the aggregate, or on its way to it. */
const PLACES: Record<string, readonly [step: 'process' | 'produce', build: Build]> = {
  'in an aggregate, whose serde has no check': [
    'process',
    (table) => table.pipe(grouped(serdes.json()), summing(whole)),
  ],
  'in an aggregate, whose serde has a check': [
    'process',
    (table) => table.pipe(grouped(serdes.json()), summing(serdes.int64)),
  ],
  'in a reduced row': [
    'process',
    (table) =>
      table.pipe(
        grouped(serdes.json()),
        mapValues(({ n }) => n),
        reduce({ store: 'sums', value: whole, add: (a, b) => a + b, subtract: (a, b) => a - b }),
      ),
  ],
  'in the buffer of suppress': [
    'process',
    (table) =>
      table.pipe(
        suppress({ store: 'held', until: { timeLimit: '0ms' }, value: wholeRows }),
        grouped(serdes.json()),
        summing(serdes.double),
      ),
  ],
  'on its way to an aggregate': ['produce', (table) => table.pipe(grouped(wholeRows), summing(serdes.double))],
  'on its way to an aggregate, of mapped rows': [
    'produce',
    (table) =>
      table.pipe(
        mapValues(({ group, n }) => ({ group, n: n === 1.5 ? 1n : n })),
        groupBy(({ value: { group } }) => group, {
          key: serdes.string,
          value: wholeRows as Serde<any>,
          name: 'by-group',
        }),
        summing(serdes.double),
      ),
  ],
};

describe('a row that cannot be written, when the policy goes on', () => {
  for (const [where, [failing, build]] of Object.entries(PLACES)) {
    it(`is none until its next value, over a restart: ${where} (property)`, async () => {
      await fc.assert(
        fc.asyncProperty(steps, policies, async (given, policy) => {
          const target = topology('test', (t) => {
            build(t.table('in', { ...json<Row>(), store: 'in' }));
          });
          const driver = await open(target, { onError: { [failing]: policy } });
          const table = new Map<string, Row | null>();
          for (const each of given) {
            if (each === 'restart') await driver.restart();
            else if (each === 'crash') {
              await driver.crash();
              await driver.restart();
            } else {
              table.set(each[0], each[1]);
              await feed(driver, 'in', [each]);
            }
            assert.deepEqual({ x: 0, y: 0, ...(await rows(driver, 'sums')) }, sumsOf(table), JSON.stringify(each));
          }
          await driver.close();
        }),
        { numRuns: 40 },
      );
    });
  }

  it('is in no group if it is the key that cannot be written', async () => {
    const target = topology('test', (t) => {
      t.table('in', { ...json<number>(), store: 'in' }).pipe(
        groupBy(({ value }) => value, { key: whole, name: 'by-number' }),
        aggregate({
          store: 'sums',
          value: serdes.double,
          initial: () => 0,
          add: (sum, { value }) => sum + value,
          subtract: (sum, { value }) => sum - value,
        }),
      );
    });
    const driver = await open(target, { onError: { produce: 'skip' } });
    for (const value of [1, 0.5, 2, 0.5, null, 3]) await feed(driver, 'in', [['a', value]]);
    assert.deepEqual(await rows(driver, 'sums').then(Object.values), [0, 0, 3]);
    await driver.close();
  });
});

describe('a function of a table that has to wait for something', () => {
  /** Throws once for each value: what it needs has to be fetched first. */
  const fetching = () => {
    const known = new Set<unknown>();
    return <T>(value: unknown, then: T): T => {
      if (!known.has(value)) throw new NotReady(async () => void known.add(value));
      return then;
    };
  };
  type Numbers = Table<string, number>;
  const OPERATORS: Record<string, (table: Numbers, other: Numbers, ready: ReturnType<typeof fetching>) => Numbers> = {
    mapValues: (table, _, ready) => table.pipe(mapValues((n) => ready(n, n))),
    'plain map': (table, _, ready) => table.pipe(map((change) => ready(change.value, change))) as Numbers,
    joinTable: (table, other, ready) => table.pipe(joinTable(other, (n) => ready(n, n))),
    'leftJoinTable with itself': (table, _, ready) =>
      table.pipe(leftJoinTable(table.pipe(mapValues((n) => n)), (n) => ready(n, n))),
  };
  for (const [name, build] of Object.entries(OPERATORS)) {
    it(`is asked again, and no row is lost for it: ${name}`, async () => {
      const target = topology('test', (t) => {
        const table = t.table('in', { ...json<number>(), store: 'in' });
        const other = t.table('other', { ...json<number>(), store: 'other' });
        build(table, other, fetching()).pipe(
          groupBy(() => 'all', { key: serdes.string, value: serdes.double, name: 'all' }),
          aggregate({
            store: 'sum',
            value: serdes.double,
            initial: () => 0,
            add: (sum, { value }) => sum + value,
            subtract: (sum, { value }) => sum - value,
          }),
        );
      });
      const driver = await open(target, { onError: { process: 'skip' } });
      await feed(driver, 'other', [['a', 1]]);
      for (const value of [3, 4, 5, 3]) {
        await feed(driver, 'in', [['a', value]]);
        // What is known of rows is forgotten.
        await driver.restart();
        assert.deepEqual(await rows(driver, 'sum'), { all: value });
      }
      await driver.close();
    });
  }
});
