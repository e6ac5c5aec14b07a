import assert from 'node:assert/strict';
import fc from 'fast-check';
import { aggregate, count, groupBy, mapValues, reduce, serdes, to, topology } from '#src/index.js';
import { feed, json, open, read, rows, values } from '../support.js';

interface Item {
  readonly group: string | null;
  readonly n: number;
}

const item = (group: string | null, n: number): Item => ({ group, n });

/** Rows of topic `in`, grouped by a field, then folded in three ways. */
const grouped = topology('test', (t) => {
  const groups = t
    .table('in', { ...json<Item>(), store: 'rows' })
    .pipe(groupBy((record) => record.value.group, { key: serdes.string, value: json<Item>().value, name: 'by-group' }));
  groups.pipe(count({ store: 'counts' }), to('counts', json<number>()));
  groups.pipe(
    aggregate({
      store: 'sums',
      value: serdes.json<number>(),
      initial: () => 0,
      add: (total, record) => total + record.value.n,
      subtract: (total, record) => total - record.value.n,
    }),
    to('sums', json<number>()),
  );
  groups.pipe(
    reduce({
      store: 'merged',
      value: serdes.json<Item>(),
      add: (a, b) => ({ group: b.group, n: a.n + b.n }),
      subtract: (a, b) => (a.n === b.n ? null : { group: a.group, n: a.n - b.n }),
    }),
    to('merged', json<Item>()),
  );
});

describe('a fold over a grouped table', () => {
  it('takes a row out of its old group and puts it into its new one, the old group first', async () => {
    const driver = await open(grouped);
    await feed(driver, 'in', [
      ['a', item('x', 1), 1],
      ['b', item('x', 2), 2],
      ['a', item('y', 3), 3],
    ]);
    assert.deepEqual(await read(driver, 'sums'), [
      ['x', 1, 1],
      ['x', 3, 2],
      ['x', 2, 3],
      ['y', 3, 3],
    ]);
    assert.deepEqual(await read(driver, 'counts'), [
      ['x', 1, 1],
      ['x', 2, 2],
      ['x', 1, 3],
      ['y', 1, 3],
    ]);
  });

  it('changes a group in one step when the row stays in it', async () => {
    const driver = await open(grouped);
    await feed(driver, 'in', [
      ['a', item('x', 1), 1],
      ['a', item('x', 5), 2],
    ]);
    assert.deepEqual(await read(driver, 'sums'), [
      ['x', 1, 1],
      ['x', 5, 2],
    ]);
    assert.deepEqual(await read(driver, 'counts'), [
      ['x', 1, 1],
      ['x', 1, 2],
    ]);
  });

  it('subtracts a deleted row, and keeps an emptied count as 0', async () => {
    const driver = await open(grouped);
    await feed(driver, 'in', [
      ['a', item('x', 4), 1],
      ['a', null, 2],
      ['a', null, 3],
    ]);
    assert.deepEqual(await values(driver, 'counts'), [1, 0]);
    assert.deepEqual(await rows(driver, 'counts'), { x: 0 });
    assert.deepEqual(await values(driver, 'merged'), [item('x', 4), null]);
    assert.deepEqual(await rows(driver, 'merged'), {});
  });

  it('skips the side of a change whose group is null', async () => {
    const driver = await open(grouped);
    await feed(driver, 'in', [
      ['a', item(null, 4), 1],
      ['a', item('x', 5), 2],
      ['a', item(null, 6), 3],
    ]);
    assert.deepEqual(await read(driver, 'sums'), [
      ['x', 5, 2],
      ['x', 0, 3],
    ]);
  });

  it('emits a tombstone when it subtracts from a group that has no row, and adds from the beginning', async () => {
    const driver = await open(grouped);
    // b empties the merged group although a is still in it: a's removal finds no row.
    await feed(driver, 'in', [
      ['a', item('x', 0), 1],
      ['b', item('x', 3), 2],
      ['b', null, 3],
    ]);
    await feed(driver, 'in', [
      ['a', item('x', 3), 4],
      ['a', null, 5],
      ['a', null, 6],
      ['a', item('x', 2), 7],
    ]);
    assert.deepEqual(await values(driver, 'merged'), [
      item('x', 0),
      item('x', 3),
      null,
      item('x', 3),
      null,
      item('x', 2),
    ]);
  });

  it('gives the higher of the timestamps of the change and the group', async () => {
    const driver = await open(grouped);
    await feed(driver, 'in', [
      ['a', item('x', 1), 9],
      ['b', item('x', 2), 3],
    ]);
    assert.deepEqual(await read(driver, 'sums'), [
      ['x', 1, 9],
      ['x', 3, 9],
    ]);
  });

  it('equals the fold of the rows as they are, after any changes', async () => {
    const changes = fc.array(
      fc.record({
        key: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
        value: fc.option(fc.record({ group: fc.constantFrom('x', 'y', 'z', null), n: fc.integer({ min: 1, max: 9 }) })),
        timestamp: fc.nat({ max: 50 }),
      }),
      { maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(
        changes,
        fc.constantFrom(1, 3),
        fc.constantFrom(1, 7, 1_000),
        async (given, partitions, batchRecords) => {
          const driver = await open(grouped, { partitions, batchRecords });
          await driver.input('in', json<Item>()).sendAll(given);
          const table = new Map(given.map(({ key, value }) => [key, value]));
          const sums: Record<string, number> = {};
          const counts: Record<string, number> = {};
          for (const row of table.values()) {
            if (!row?.group) continue;
            sums[row.group] = (sums[row.group] ?? 0) + row.n;
            counts[row.group] = (counts[row.group] ?? 0) + 1;
          }
          const withoutZero = (found: Record<string, unknown>) =>
            Object.fromEntries(Object.entries(found).filter(([, n]) => n !== 0));
          assert.deepEqual(withoutZero(await rows(driver, 'sums')), sums);
          assert.deepEqual(withoutZero(await rows(driver, 'counts')), counts);
          const last = new Map((await read(driver, 'sums')).map(([key, value]) => [key as string, value]));
          assert.deepEqual(Object.fromEntries(last), await rows(driver, 'sums'));
          await driver.close();
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('several consumers of one processor', () => {
  it('are served in the order in which they were declared', async () => {
    const target = topology('test', (t) => {
      const rows = t.table('in', { ...json<string>(), store: 'rows' });
      rows.pipe(
        count({ store: 'first' }),
        mapValues(() => 'first'),
        to('out', { ...json<string>(), name: 'first' }),
      );
      rows.pipe(
        count({ store: 'second' }),
        mapValues(() => 'second'),
        to('out', { ...json<string>(), name: 'second' }),
      );
    });
    const driver = await open(target);
    await feed(driver, 'in', [['a', 'x', 1]]);
    assert.deepEqual(await values(driver), ['first', 'second']);
  });
});
