import assert from 'node:assert/strict';
import { aggregate, groupBy, joinTable, leftJoinTable, outerJoinTable, serdes, to, topology } from '#src/index.js';
import { failure, feed, json, open, read, rows } from './support.js';

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

  it('has no store, and a join with it on the left says so', () => {
    const target = topology('test', (t) => {
      const right = t.table('right', { ...json<string>(), store: 'right' });
      t.table('left', { ...json<string>(), store: 'left' }).pipe(
        joinTable(right, pair),
        leftJoinTable(right, pair),
        to('out', json<any>()),
      );
    });
    assert.throws(() => target.graph, failure('TOPOLOGY_INVALID', /the table on the left has no store.*toTable/s));
  });
});
