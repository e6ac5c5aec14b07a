import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  type Duration,
  filterValues,
  Headers,
  joinTable,
  leftJoinTable,
  mapValues,
  outerJoinTable,
  selectKey,
  serdes,
  type TopologyBuilder,
  to,
  topology,
  validate,
} from '#src/index.js';
import { deadLetters, feed, json, open, read, type Short, values } from '../support.js';

const pair = (a: unknown, b: unknown): any => [a, b];

interface Given {
  readonly kind?: 'inner' | 'left';
  readonly history?: Duration;
  readonly grace?: Duration;
}

const joined = ({ kind = 'inner', history = '1s', grace }: Given = {}) =>
  topology('test', (t) => {
    const rows = t.table('rows', { ...json<number>(), store: 'rows', history });
    const join = kind === 'inner' ? joinTable<any, any, any> : leftJoinTable<any, any, any>;
    const options = grace === undefined ? pair : { join: pair, grace, store: 'waiting' };
    t.stream('in', json<number>()).pipe(join(rows, options), to('out', json<any>()));
  });

/** Records of both topics, in order. */
type Arrival = readonly ['in' | 'rows', ...Short<number>];

/** The rules, as they are written down. */
function reference(
  given: readonly Arrival[],
  { kind, history, grace }: { kind: string; history: number; grace?: number },
) {
  const versions: { key: string; value: number | null; from: number }[] = [];
  let tableTime = Number.NEGATIVE_INFINITY;
  let streamTime = Number.NEGATIVE_INFINITY;
  let waiting: { key: string; value: number; at: number }[] = [];
  const out: unknown[] = [];
  const join = (key: string | null, value: number, at: number): void => {
    const found = versions
      .filter((version) => version.key === key && version.from <= at)
      .sort((a, b) => a.from - b.from)
      .at(-1);
    const row = at < tableTime - history ? null : (found?.value ?? null);
    if (row !== null || kind === 'left') out.push([key, [value, row], at]);
  };
  for (const [topic, key, value, at = 0] of given) {
    if (topic === 'rows') {
      if (key === null || at < tableTime - history) continue;
      tableTime = Math.max(tableTime, at);
      const same = versions.findIndex((version) => version.key === key && version.from === at);
      if (same >= 0) versions.splice(same, 1);
      versions.push({ key, value, from: at });
      continue;
    }
    if (value === null || (key === null && kind === 'inner')) continue;
    if (grace === undefined || key === null) {
      join(key, value, at);
      continue;
    }
    streamTime = Math.max(streamTime, at);
    if (at < streamTime - grace) {
      join(key, value, at);
      continue;
    }
    waiting.push({ key, value, at });
    const due = waiting.filter((record) => record.at <= streamTime - grace);
    waiting = waiting.filter((record) => record.at > streamTime - grace);
    due.sort((a, b) => a.at - b.at || (a.key === b.key ? 0 : a.key < b.key ? -1 : 1));
    for (const record of due) join(record.key, record.value, record.at);
  }
  return out;
}

const arrivals: fc.Arbitrary<Arrival[]> = fc.array(
  fc.tuple(
    fc.constantFrom('in' as const, 'rows' as const),
    fc.option(fc.constantFrom('a', 'b', 'c'), { freq: 15 }),
    fc.option(fc.nat(9), { freq: 6 }),
    fc.nat(60),
  ) as fc.Arbitrary<Arrival>,
  { minLength: 5, maxLength: 60 },
);

describe('joinTable with a versioned table', () => {
  it('sees the row as of the record, whatever the order of arrival', async () => {
    const driver = await open(joined());
    await feed(driver, 'rows', [
      ['a', 10, 100],
      ['a', 30, 300],
    ]);
    await feed(driver, 'in', [['a', 1, 250]]);
    await feed(driver, 'rows', [['a', 20, 200]]);
    await feed(driver, 'in', [
      ['a', 2, 250],
      ['a', 3, 99],
      ['a', 4, 400],
    ]);
    assert.deepEqual(await read(driver), [
      ['a', [1, 10], 250],
      ['a', [2, 20], 250],
      ['a', [4, 30], 400],
    ]);
  });

  it('sees the mapped and filtered rows of that time', async () => {
    const target = topology('test', (t) => {
      const rows = t.table('rows', { ...json<number>(), store: 'rows', history: '1s' }).pipe(
        mapValues((n) => n * 10),
        filterValues((n) => n > 10),
      );
      t.stream('in', json<number>()).pipe(leftJoinTable(rows, pair), to('out', json<any>()));
    });
    const driver = await open(target);
    await feed(driver, 'rows', [
      ['a', 1, 100],
      ['a', 2, 200],
      ['a', 3, 300],
    ]);
    await feed(driver, 'in', [
      ['a', 1, 150],
      ['a', 2, 250],
      ['a', 3, 350],
    ]);
    assert.deepEqual(await values(driver), [
      [1, null],
      [2, 20],
      [3, 30],
    ]);
  });

  it('agrees with its rules, for any times, history and grace, over restarts', async () => {
    const grace = fc.option(fc.integer({ min: 0, max: 30 }), { nil: undefined, freq: 3 });
    await fc.assert(
      fc.asyncProperty(
        arrivals,
        fc.constantFrom('inner' as const, 'left' as const),
        fc.integer({ min: 30, max: 70 }),
        grace,
        fc.nat(60),
        async (given, kind, history, graceMs, crashAt) => {
          const options = { kind, history: `${history}ms`, ...(graceMs !== undefined && { grace: `${graceMs}ms` }) };
          const driver = await open(joined(options as Given));
          for (const [i, [topic, ...record]] of given.entries()) {
            if (i === crashAt) {
              await driver.crash();
              await driver.restart();
            }
            await feed(driver, topic, [record]);
          }
          const expected = reference(given, { kind, history, ...(graceMs !== undefined && { grace: graceMs }) });
          assert.deepEqual(await read(driver), expected);
          await driver.close();
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('joinTable with a grace', () => {
  it('waits for late rows, and then joins in the order of timestamps, keys and arrival', async () => {
    const driver = await open(joined({ grace: '50ms' }));
    await feed(driver, 'rows', [['a', 10, 0]]);
    await feed(driver, 'rows', [['b', 11, 0]]);
    await feed(driver, 'in', [
      ['b', 1, 100],
      ['a', 2, 100],
      ['b', 3, 100],
      ['a', 4, 90],
    ]);
    await feed(driver, 'rows', [['a', 20, 95]]);
    assert.deepEqual(await read(driver), []);
    await feed(driver, 'in', [['a', 5, 150]]);
    assert.deepEqual(await read(driver), [
      ['a', [4, 10], 90],
      ['a', [2, 20], 100],
      ['b', [1, 11], 100],
      ['b', [3, 11], 100],
    ]);
  });

  it('keeps what waits over a crash, with its headers', async () => {
    const driver = await open(joined({ grace: '50ms' }));
    await feed(driver, 'rows', [['a', 10, 0]]);
    const input = driver.input('in', json<number>());
    await input.send({ key: 'a', value: 1, timestamp: 100, headers: { trace: 'x-1' } });
    await driver.crash();
    await driver.restart();
    await input.send({ key: 'a', value: 2, timestamp: 200 });
    const [record] = await driver.output('out', json<any>()).read();
    assert.deepEqual([record?.value, record?.timestamp, record?.headers], [[1, 10], 100, Headers.of({ trace: 'x-1' })]);
  });

  it('does not let nulls and late records release anything', async () => {
    const driver = await open(joined({ kind: 'left', grace: '50ms' }));
    await feed(driver, 'in', [
      ['a', 1, 100],
      ['a', null, 500],
      [null, 2, 500],
      ['a', 3, 60],
      ['a', 4, 49],
    ]);
    assert.deepEqual(await values(driver), [
      [2, null],
      [4, null],
    ]);
    assert.deepEqual(driver.metrics.nodes['leftJoinTable rows'], { 'null-value': 1 });
  });

  it('joins at once with a grace of zero, and needs no store', async () => {
    const target = joined({ grace: '0ms' });
    assert.ok(!target.graph.stores.some(({ name }) => name === 'waiting'));
    const driver = await open(target);
    await feed(driver, 'rows', [['a', 10, 0]]);
    await feed(driver, 'in', [
      ['a', 1, 100],
      ['a', 2, 50],
    ]);
    assert.deepEqual(await values(driver), [
      [1, 10],
      [2, 10],
    ]);
  });

  it('fails a record that was held on its own: its neighbours are joined', async () => {
    const target = topology('test', (t) => {
      const rows = t.table('rows', { ...json<number>(), store: 'rows', history: '1s' });
      const join = (value: number, row: number): number => {
        if (value === 2) throw new Error('two');
        return value + row;
      };
      t.stream('in', json<number>()).pipe(joinTable(rows, { join, grace: '10ms', store: 'w' }), to('out', json<any>()));
    });
    const driver = await open(target, { onError: { process: 'deadLetter' } });
    await feed(driver, 'rows', [['a', 10, 0]]);
    await feed(driver, 'in', [
      ['a', 1, 1],
      ['a', 2, 2],
      ['a', 3, 3],
      ['a', 4, 50],
    ]);
    assert.deepEqual(await values(driver), [11, 13]);
    assert.match(String((await deadLetters(driver))[0]?.message), /two/);
  });

  it('holds records behind the repartition of a change of key', async () => {
    const target = topology('test', (t) => {
      const rows = t.table('rows', { ...json<string>(), store: 'rows', history: '1s' });
      t.stream('in', json<{ id: string }>()).pipe(
        selectKey((record) => record.value.id, { name: 'by-id', key: serdes.string }),
        joinTable(rows, { join: (value, row) => `${value.id} ${row}`, grace: '10ms', store: 'waiting' }),
        to('out', json<any>()),
      );
    });
    const driver = await open(target, { partitions: 3 });
    await feed(driver, 'rows', [['x', 'X', 0]]);
    await feed(driver, 'in', [
      ['k', { id: 'x' }, 10, 0],
      ['k', { id: 'x' }, 30, 2],
      ['k', { id: 'x' }, 50, 1],
    ]);
    assert.deepEqual(await values(driver), ['x X', 'x X']);
  });

  it('is refused for tables that keep no past or forget sooner, for joins of tables, and without a store', () => {
    const problem = (build: (t: TopologyBuilder) => void): string | undefined =>
      validate(topology('test', build))[0]?.what;
    const grace = { join: pair, grace: '2s', store: 'waiting' } as const;
    const table = { ...json<number>(), store: 'rows' };
    assert.match(
      problem((t) => void t.stream('in', json<number>()).pipe(joinTable(t.table('rows', table), grace))) ?? '',
      /the table on the right is not versioned/,
    );
    assert.match(
      problem((t) => {
        const rows = t.table('rows', { ...table, history: '1s' });
        t.stream('in', json<number>()).pipe(leftJoinTable(rows, grace));
      }) ?? '',
      /its grace, 2s, is longer than the history/,
    );
    assert.match(
      problem((t) => {
        const rows = t.table('rows', { ...table, history: '3s' });
        rows.pipe(joinTable(rows, grace));
      }) ?? '',
      /a join of tables has a grace/,
    );
    assert.match(
      problem((t) => {
        const rows = t.table('rows', { ...table, history: '3s' });
        const both = rows.pipe(outerJoinTable(rows, pair));
        t.stream('in', json<number>()).pipe(joinTable(both, grace));
      }) ?? '',
      /the table on the right is not versioned/,
    );
    assert.match(
      problem((t) => {
        const rows = t.table('rows', { ...table, history: '3s' });
        t.stream('in', json<number>()).pipe(joinTable<any, any, any>(rows, { join: pair, grace: '2s' } as any));
      }) ?? '',
      /the store has no name/,
    );
  });
});
