import assert from 'node:assert/strict';
import { aggregate, groupBy, joinTable, leftJoinTable, outerJoinTable, serdes, to, topology } from '#src/index.js';
import { failure, feed, json, open, read, rows } from '../support.js';

const pair = (a: unknown, b: unknown): any => [a, b];

const outerJoined = () =>
  topology('test', (t) => {
    const right = t.table('right', { ...json<string>(), store: 'right' });
    const left = t.table('left', { ...json<string>(), store: 'left' });
    left.pipe(outerJoinTable(right, pair), to('out', json<any>()));
  });

describe('outerJoinTable', () => {
  it('joins a row of either side, with null for what the other side lacks', async () => {
    const driver = await open(outerJoined());
    await feed(driver, 'left', [['a', 'l', 5]]);
    await feed(driver, 'right', [
      ['a', 'r', 2],
      ['b', 'r', 3],
    ]);
    await feed(driver, 'left', [['a', null, 6]]);
    assert.deepEqual(await read(driver), [
      ['a', ['l', null], 5],
      ['a', ['l', 'r'], 5],
      ['b', [null, 'r'], 3],
      ['a', [null, 'r'], 6],
    ]);
  });

  it('emits a tombstone when both rows are gone, and nothing for a deletion of what neither side has', async () => {
    const driver = await open(outerJoined());
    await feed(driver, 'right', [
      ['a', null, 1],
      ['a', 'r', 2],
      ['a', null, 3],
      ['a', null, 4],
    ]);
    assert.deepEqual(await read(driver), [
      ['a', [null, 'r'], 2],
      ['a', null, 3],
    ]);
  });

  it('of a stream is refused: TOPOLOGY_INVALID', () => {
    const target = topology('test', (t) => {
      const accounts = t.table('accounts', { ...json<string>(), store: 'accounts' });
      (t.stream('in', json<string>()) as any).pipe(outerJoinTable(accounts, pair), to('out', json<any>()));
    });
    assert.throws(() => target.graph, failure('TOPOLOGY_INVALID', /outerJoinTable accounts: its input is a stream/));
  });
});

describe('a joined table', () => {
  it('is a table: grouped, a change leaves its old group', async () => {
    const target = topology('test', (t) => {
      const right = t.table('right', { ...json<string>(), store: 'right' });
      t.table('left', { ...json<number>(), store: 'left' }).pipe(
        joinTable(right, (amount, group) => ({ amount, group })),
        groupBy((record) => record.value.group, { key: serdes.string, name: 'by-group' }),
        aggregate({
          store: 'totals',
          value: serdes.int64,
          initial: () => 0,
          add: (total, { value }) => total + value.amount,
          subtract: (total, { value }) => total - value.amount,
        }),
        to('out', json<any>()),
      );
    });
    const driver = await open(target);
    await feed(driver, 'right', [['a', 'x', 1]]);
    await feed(driver, 'left', [
      ['a', 5, 2],
      ['a', 7, 3],
      ['a', null, 4],
    ]);
    assert.deepEqual(await rows(driver, 'totals'), { x: 0 });
  });

  it('has no store, and can be joined again, on either side: its rows are made of those of its tables', async () => {
    const target = topology('test', (t) => {
      const left = t.table('left', { ...json<string>(), store: 'left' });
      const right = t.table('right', { ...json<string>(), store: 'right' });
      const both = left.pipe(outerJoinTable(right, (a, b) => `${a}-${b}`));
      both.pipe(leftJoinTable(right, pair), to('left-of', json<any>()));
      right.pipe(joinTable(both, pair), to('right-of', json<any>()));
      t.stream('in', json<string>()).pipe(leftJoinTable(both, pair), to('out', json<any>()));
    });
    assert.deepEqual(
      target.graph.stores.map(({ name }) => name),
      ['left', 'right'],
    );
    const driver = await open(target);
    await feed(driver, 'in', [['a', 'none', 5]]);
    await feed(driver, 'left', [['a', 'l', 10]]);
    await feed(driver, 'in', [['a', 'one', 11]]);
    await feed(driver, 'right', [['a', 'r', 20]]);
    await feed(driver, 'left', [['a', null, 15]]);
    await feed(driver, 'in', [['a', 'other', 16]]);
    await feed(driver, 'right', [['a', null, 30]]);
    await feed(driver, 'in', [['a', 'gone', 31]]);
    assert.deepEqual(await read(driver), [
      ['a', ['none', null], 5],
      ['a', ['one', 'l-null'], 11],
      ['a', ['other', 'null-r'], 16],
      ['a', ['gone', null], 31],
    ]);
    assert.deepEqual((await read(driver, 'left-of')).at(-1), ['a', null, 30]);
    assert.deepEqual((await read(driver, 'right-of')).slice(0, 2), [
      ['a', ['r', 'l-r'], 20],
      ['a', ['r', 'l-r'], 20],
    ]);
  });

  it('takes part in a join with the higher timestamp of its rows', async () => {
    const target = topology('test', (t) => {
      const table = (name: string) => t.table(name, { ...json<string>(), store: name });
      const both = table('left').pipe(joinTable(table('right'), (a, b) => a + b));
      table('third').pipe(joinTable(both, pair), to('out', json<any>()));
    });
    const driver = await open(target);
    await feed(driver, 'left', [['a', 'l', 50]]);
    await feed(driver, 'right', [['a', 'r', 40]]);
    await feed(driver, 'third', [['a', 't', 10]]);
    assert.deepEqual(await read(driver), [['a', ['t', 'lr'], 50]]);
  });
});
