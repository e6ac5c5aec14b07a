import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  aggregate,
  type Change,
  filterValues,
  groupBy,
  joinTable,
  leftJoinTable,
  mapValues,
  outerJoinTable,
  peek,
  serdes,
  type Table,
  to,
  topology,
  toStream,
  toTable,
} from '#src/index.js';
import { feed, json, open, read, rows } from '../support.js';

type Numbers = Table<string, number>;
type Joiner = (left: number | null, right: number | null) => number;
const KINDS = ['inner', 'left', 'outer'] as const;
type Kind = (typeof KINDS)[number];

function joined(kind: Kind, left: Numbers, right: Numbers, fn: Joiner): Numbers {
  if (kind === 'inner') return left.pipe(joinTable(right, fn));
  if (kind === 'left') return left.pipe(leftJoinTable(right, fn));
  return left.pipe(outerJoinTable<string, number, number, number>(right, fn));
}

/** What a table is made of, of the tables before it. */
type Step =
  | { readonly op: 'map'; readonly of: number; readonly times: number }
  | { readonly op: 'filter'; readonly of: number; readonly modulo: number }
  | { readonly op: 'copy'; readonly of: number }
  | { readonly op: 'join'; readonly of: number; readonly with: number; readonly kind: Kind };

const mixed: Joiner = (left, right) => ((left ?? 11) * 7 + (right ?? 13) * 5 + 1) % 101;
const sources = ['in', 'other'] as const;

/** The tables of the steps, behind those of the sources. */
function tablesOf(steps: readonly Step[], given: readonly Numbers[]): readonly Numbers[] {
  const tables = [...given];
  for (const [i, step] of steps.entries()) {
    const of = tables[step.of % tables.length] as Numbers;
    if (step.op === 'map') tables.push(of.pipe(mapValues((n) => (n * step.times) % 101)));
    else if (step.op === 'filter') tables.push(of.pipe(filterValues((n) => n % step.modulo !== 0)));
    else if (step.op === 'copy')
      tables.push(of.pipe(toStream(), toTable({ store: `copy-${i}`, value: serdes.json<number>() })));
    else tables.push(joined(step.kind, of, tables[step.with % tables.length] as Numbers, mixed));
  }
  return tables;
}

/** The rows of one key in all tables, made by the relational rules. */
function model(steps: readonly Step[], given: readonly (number | null)[]): readonly (number | null)[] {
  const all = [...given];
  for (const step of steps) {
    const of = all[step.of % all.length] as number | null;
    if (step.op === 'map') all.push(of === null ? null : (of * step.times) % 101);
    else if (step.op === 'filter') all.push(of !== null && of % step.modulo !== 0 ? of : null);
    else if (step.op === 'copy') all.push(of);
    else {
      const right = all[step.with % all.length] as number | null;
      const isThere =
        step.kind === 'inner'
          ? of !== null && right !== null
          : of !== null || (step.kind === 'outer' && right !== null);
      all.push(isThere ? mixed(of, right) : null);
    }
  }
  return all;
}

const index = fc.nat(20);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ op: fc.constant('map' as const), of: index, times: fc.integer({ min: 1, max: 9 }) }),
  fc.record({ op: fc.constant('filter' as const), of: index, modulo: fc.integer({ min: 2, max: 4 }) }),
  fc.record({ op: fc.constant('copy' as const), of: index }),
  {
    arbitrary: fc.record({ op: fc.constant('join' as const), of: index, with: index, kind: fc.constantFrom(...KINDS) }),
    weight: 3,
  },
);
const update = fc.tuple(
  fc.constantFrom(...sources),
  fc.constantFrom('a', 'b', 'c'),
  fc.option(fc.integer({ min: 1, max: 9 }), { freq: 3 }),
);

const sumOf = (all: Iterable<number | null>): number => [...all].reduce<number>((sum, n) => sum + (n ?? 0), 0);

describe('a table joined with what is made of it', () => {
  it('is the relational join after each record, row by row and in sums, whatever the kind', async () => {
    for (const kind of KINDS) {
      const driver = await open(
        topology('test', (t) => {
          const numbers = t.table('in', { ...json<number>(), store: 'numbers' });
          const products = joined(kind, numbers, numbers.pipe(mapValues((n) => 2 * n)), (a, b) => (a ?? 0) * (b ?? 0));
          products.pipe(
            groupBy(() => 'all', { key: serdes.string, value: serdes.json<number>(), name: 'all' }),
            aggregate({
              store: 'sum',
              value: serdes.double,
              initial: () => 0,
              add: (sum, { value }) => sum + value,
              subtract: (sum, { value }) => sum - value,
            }),
          );
          products.pipe(to('out', json<any>()));
        }),
      );
      const sums: unknown[] = [];
      for (const [key, value] of [
        ['a', 1],
        ['a', 3],
        ['b', 2],
        ['a', null],
      ] as const) {
        await feed(driver, 'in', [[key, value]]);
        sums.push((await rows(driver, 'sum')).all);
      }
      assert.deepEqual(sums, [2, 18, 26, 8]);
      // Each change comes by both ways, as in Kafka Streams; a deletion has nothing left to delete the second time.
      assert.deepEqual(
        (await read(driver)).map(([key, value]) => [key, value]),
        [
          ['a', 2],
          ['a', 2],
          ['a', 18],
          ['a', 18],
          ['b', 8],
          ['b', 8],
          ['a', null],
        ],
      );
    }
  });

  it('sees rows as of the record also if a batch changes them several times, and over a crash', async () => {
    const target = topology('test', (t) => {
      const numbers = t.table('in', { ...json<number>(), store: 'numbers' });
      const copy = numbers.pipe(toStream(), toTable({ store: 'copy', value: serdes.json<number>() }));
      numbers.pipe(
        joinTable(copy, (a, b) => [a, b]),
        to('out', json<any>()),
      );
    });
    const driver = await open(target);
    await feed(driver, 'in', [
      ['a', 1],
      ['a', 2],
    ]);
    await driver.crash();
    await driver.restart();
    await feed(driver, 'in', [
      ['a', 3],
      ['a', null],
      ['a', 4],
    ]);
    const last = new Map<unknown, unknown>();
    const seen: unknown[] = [];
    for (const [key, value] of await read(driver)) {
      last.set(key, value);
      if (JSON.stringify(seen.at(-1)) !== JSON.stringify(value)) seen.push(value);
    }
    assert.deepEqual(last.get('a'), [4, 4]);
    assert.deepEqual(seen.at(-1), [4, 4]);
    assert.ok(seen.includes(null));
  });

  it('links its changes, and equals the relational join in rows and sums, for any graph (property)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 7 }),
        fc.array(update, { minLength: 4, maxLength: 20 }),
        fc.constantFrom(1, 3, 100),
        async (steps, updates, together) => {
          const changes: Change<string, number>[][] = [];
          const target = topology('test', (t) => {
            const given = sources.map((topic) => t.table(topic, { ...json<number>(), store: topic }));
            for (const [i, table] of tablesOf(steps, given).entries()) {
              // The function runs more than once; one of its pipelines gets the records.
              changes[i] ??= [];
              const seen = changes[i];
              table.pipe(
                peek((change) => void seen.push(change)),
                groupBy(() => 'all', { key: serdes.string, value: serdes.json<number>(), name: `all-${i}` }),
                aggregate({
                  store: `sum-${i}`,
                  value: serdes.double,
                  initial: () => 0,
                  add: (sum, { value }) => sum + value,
                  subtract: (sum, { value }) => sum - value,
                }),
              );
            }
          });
          const driver = await open(target);
          const now = new Map<string, [number | null, number | null]>();
          for (let at = 0; at < updates.length; at += together) {
            const batch = updates.slice(at, at + together);
            for (const topic of sources) {
              const records = batch.filter(([of]) => of === topic).map(([, key, value]) => [key, value] as const);
              if (records.length > 0) await feed(driver, topic, records);
            }
            for (const [topic, key, value] of batch) {
              const row = now.get(key) ?? [null, null];
              row[topic === 'in' ? 0 : 1] = value;
              now.set(key, row);
            }
          }
          const expected = new Map([...now].map(([key, row]) => [key, model(steps, row)]));
          for (let i = 0; i < steps.length + 2; i++) {
            const told = new Map<string, number | null>();
            for (const { key, value, previous } of changes[i] as Change<string, number>[]) {
              assert.equal(previous, told.get(key) ?? null, `table ${i}, row ${key}`);
              told.set(key, value);
            }
            for (const [key, all] of expected)
              assert.equal(told.get(key) ?? null, all[i], `table ${i}, row ${key}, ${JSON.stringify(steps)}`);
            const sum = (await rows(driver, `sum-${i}`)).all ?? 0;
            assert.equal(sum, sumOf([...expected.values()].map((all) => all[i] ?? null)), `sum of table ${i}`);
          }
          await driver.close();
        },
      ),
      { numRuns: 40 },
    );
  });
});
