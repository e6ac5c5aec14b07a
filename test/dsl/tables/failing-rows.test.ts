import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  aggregate,
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
} from '#src/index.js';
import { deadLetters, failure, feed, json, open, read, rows } from '../support.js';

type Numbers = Table<string, number>;

/** Values that functions throw on. */
const isBad = (n: number | null): boolean => n === 5 || n === 7;
function checked<T>(n: number, then: T): T {
  if (isBad(n)) throw new Error(`saw ${n}`);
  return then;
}

/** Each operator of tables with a function that throws on some rows, and what the row of a key is then. */
const OPERATORS: Record<
  string,
  readonly [
    build: (table: Numbers, other: Numbers) => Numbers,
    row: (n: number | null, other: number | null) => number | null,
  ]
> = {
  mapValues: [
    (table) => table.pipe(mapValues((n) => checked(n, n * 2))),
    (n) => (n === null || isBad(n) ? null : n * 2),
  ],
  filterValues: [
    (table) => table.pipe(filterValues((n) => checked(n, n % 2 === 1))),
    (n) => (n === null || isBad(n) || n % 2 === 0 ? null : n),
  ],
  peek: [(table) => table.pipe(peek(({ value }) => value !== null && checked(value, undefined))), (n) => n],
  'joinTable, the join': [
    (table, other) => table.pipe(joinTable(other, (n, m) => checked(n, n * 10 + m))),
    (n, m) => (n === null || m === null || isBad(n) ? null : n * 10 + m),
  ],
  'leftJoinTable, of a mapped right side': [
    (table, other) =>
      table.pipe(leftJoinTable(other.pipe(mapValues((m) => checked(m, m))), (n, m) => n * 10 + (m ?? 0))),
    (n, m) => (n === null ? null : n * 10 + (m === null || isBad(m) ? 0 : m)),
  ],
  'outerJoinTable, of both sides mapped': [
    (table, other) =>
      table
        .pipe(mapValues((n) => checked(n, n)))
        .pipe(
          outerJoinTable<string, number, number, number>(
            other.pipe(mapValues((m) => checked(m, m))),
            (n, m) => (n ?? 0) * 10 + (m ?? 0),
          ),
        ),
    (n, m) => {
      const [left, right] = [n === null || isBad(n) ? null : n, m === null || isBad(m) ? null : m];
      return left === null && right === null ? null : (left ?? 0) * 10 + (right ?? 0);
    },
  ],
  'joinTable with itself, the join': [
    (table) => table.pipe(joinTable(table.pipe(mapValues((n) => n + 1)), (n, m) => checked(n, n * m))),
    (n) => (n === null || isBad(n) ? null : n * (n + 1)),
  ],
  'joinTable by a foreign key, the key': [
    (table, other) =>
      table.pipe(
        joinTable(other, {
          foreignKey: (n) => checked(n, 'a'),
          join: (n, m) => n * 10 + m,
          store: 'joined',
          value: serdes.json<number>(),
        }),
      ),
    (n, m) => (n === null || m === null || isBad(n) ? null : n * 10 + m),
  ],
  'leftJoinTable by a foreign key, the join': [
    (table, other) =>
      table.pipe(
        leftJoinTable(other, {
          foreignKey: () => 'a',
          join: (n, m) => checked(n, n * 10 + (m ?? 0)),
          store: 'joined',
          value: serdes.json<number>(),
        }),
      ),
    (n, m) => (n === null || isBad(n) ? null : n * 10 + (m ?? 0)),
  ],
};

const summed = (table: Numbers, checks: boolean): void => {
  const pass = (n: number): number => (checks ? checked(n, n) : n);
  table.pipe(
    groupBy(() => 'all', { key: serdes.string, value: serdes.json<number>(), name: 'all' }),
    aggregate({
      store: 'sum',
      value: serdes.double,
      initial: () => 0,
      add: (sum, { value }) => sum + pass(value),
      subtract: (sum, { value }) => sum - value,
    }),
  );
};

const updates = fc.array(
  fc.tuple(fc.constantFrom('in', 'other'), fc.constant('a'), fc.option(fc.integer({ min: 1, max: 8 }), { freq: 4 })),
  { minLength: 1, maxLength: 20 },
);
const policies = fc.constantFrom(
  'skip' as const,
  'deadLetter' as const,
  { retry: 1, backoff: '0ms', then: 'skip' } as const,
);

describe('a row that a function of a table throws on, when the policy goes on', () => {
  for (const [name, [build, expected]] of Object.entries(OPERATORS)) {
    it(`is no row until its next value, in sums as well: ${name} (property)`, async () => {
      await fc.assert(
        fc.asyncProperty(updates, policies, async (given, process) => {
          const target = topology('test', (t) => {
            const table = t.table('in', { ...json<number>(), store: 'in' });
            const other = t.table('other', { ...json<number>(), store: 'other' });
            const made = build(table, other);
            made.pipe(to('out', json<any>()));
            summed(made, false);
          });
          const driver = await open(target, { onError: { process } });
          const now: Record<string, number | null> = { in: null, other: null };
          let row: unknown = null;
          for (const [topic, key, value] of given) {
            await feed(driver, topic, [[key, value]]);
            now[topic] = value;
            for (const [, last] of await read(driver)) row = last;
            const [n = null, m = null] = [now.in, now.other];
            assert.equal(row, expected(n, m), `${topic} = ${value}`);
            assert.equal((await rows(driver, 'sum')).all ?? 0, row ?? 0, `the sum after ${topic} = ${value}`);
          }
          await driver.close();
        }),
        { numRuns: 25 },
      );
    });
  }

  it('is in no aggregate and in no group, whichever of their functions throws (property)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.option(fc.integer({ min: 1, max: 8 }), { freq: 4 })), {
          maxLength: 20,
        }),
        fc.constantFrom('add' as const, 'subtract' as const, 'group' as const),
        async (given, throwing) => {
          const pass = (where: string, n: number): number => (where === throwing ? checked(n, n) : n);
          const target = topology('test', (t) => {
            t.table('in', { ...json<number>(), store: 'in' }).pipe(
              groupBy(({ value }): string => (pass('group', value) % 2 === 0 ? 'even' : 'odd'), {
                key: serdes.string,
                name: 'by-parity',
              }),
              aggregate({
                store: 'sum',
                value: serdes.double,
                initial: () => 0,
                add: (sum, { value }) => sum + pass('add', value),
                subtract: (sum, { value }) => sum - pass('subtract', value),
              }),
            );
          });
          const driver = await open(target, { onError: { process: 'skip' } });
          const now = new Map<string, number | null>();
          for (const [key, value] of given) {
            await feed(driver, 'in', [[key, value]]);
            now.set(key, value);
            const sums = { even: 0, odd: 0, ...(await rows(driver, 'sum')) };
            const good = [...now.values()].filter((n): n is number => n !== null && !isBad(n));
            assert.deepEqual(sums, {
              even: good.filter((n) => n % 2 === 0).reduce((sum, n) => sum + n, 0),
              odd: good.filter((n) => n % 2 === 1).reduce((sum, n) => sum + n, 0),
            });
          }
          await driver.close();
        },
      ),
      { numRuns: 40 },
    );
  });

  it('is reported once, whichever ways lead to the node', async () => {
    const target = topology('test', (t) => {
      const table = t.table('in', { ...json<number>(), store: 'in' });
      const mapped = table.pipe(mapValues((n) => checked(n, n)));
      mapped.pipe(
        joinTable(mapped.pipe(mapValues((n) => n + 1)), (n, m) => n * m),
        to('out', json<any>()),
      );
    });
    const driver = await open(target, { onError: { process: 'deadLetter' } });
    await feed(driver, 'in', [
      ['a', 1],
      ['a', 5],
      ['a', null],
    ]);
    assert.deepEqual(
      (await read(driver)).map(([, value]) => value),
      [2, 2, null],
    );
    assert.deepEqual(
      (await deadLetters(driver)).map(({ code, from }) => [code, from]),
      [['PROCESS_FAILED', 'in[0]@1']],
    );
  });

  it('ends the application under the policy fail', async () => {
    const target = topology('test', (t) => {
      t.table('in', { ...json<number>(), store: 'in' }).pipe(
        mapValues((n) => checked(n, n)),
        to('out', json<any>()),
      );
    });
    const driver = await open(target);
    await assert.rejects(feed(driver, 'in', [['a', 5]]), failure('PROCESS_FAILED', /saw 5/));
  });
});
