import assert from 'node:assert/strict';
import { joinTable, leftJoinTable, selectKey, serdes, to, topology } from '#src/index.js';
import { failure, feed, json, open, read, rows } from '../support.js';

const pair = (a: unknown, b: unknown): any => [a, b];

const streamWithTable = (join: typeof joinTable | typeof leftJoinTable) =>
  topology('test', (t) => {
    const accounts = t.table('accounts', { ...json<string>(), store: 'accounts' });
    t.stream('in', json<number>()).pipe((join as typeof leftJoinTable)(accounts, pair), to('out', json<any>()));
  });

describe('joinTable of a stream', () => {
  it('joins each record with the row as it is when the record arrives, whatever the timestamps', async () => {
    const driver = await open(streamWithTable(joinTable));
    await feed(driver, 'accounts', [['a', 'Ann', 50]]);
    await feed(driver, 'in', [['a', 1, 10]]);
    await feed(driver, 'accounts', [['a', 'Ada', 5]]);
    await feed(driver, 'in', [['a', 2, 3]]);
    assert.deepEqual(await read(driver), [
      ['a', [1, 'Ann'], 10],
      ['a', [2, 'Ada'], 3],
    ]);
  });

  it('emits nothing for a record without a row, nor when the row comes later', async () => {
    const driver = await open(streamWithTable(joinTable));
    await feed(driver, 'in', [['a', 1, 1]]);
    await feed(driver, 'accounts', [
      ['a', 'Ann', 2],
      ['a', null, 3],
    ]);
    await feed(driver, 'in', [['a', 2, 4]]);
    assert.deepEqual(await read(driver), []);
  });

  it('drops null keys and null values, and counts them', async () => {
    const driver = await open(streamWithTable(joinTable));
    await feed(driver, 'accounts', [['a', 'Ann', 0]]);
    await feed(driver, 'in', [
      [null, 1, 1],
      ['a', null, 2],
      ['a', 3, 3],
    ]);
    assert.deepEqual(await read(driver), [['a', [3, 'Ann'], 3]]);
    assert.deepEqual(driver.metrics.nodes['joinTable accounts'], { 'null-key': 1, 'null-value': 1 });
  });

  it('sees the table as of its own place in the order, within one batch', async () => {
    const driver = await open(streamWithTable(joinTable));
    await driver.crash();
    await feed(driver, 'accounts', [
      ['a', 'first', 10],
      ['a', 'second', 30],
      ['a', null, 50],
    ]);
    await feed(driver, 'in', [
      ['a', 0, 5],
      ['a', 1, 20],
      ['a', 2, 40],
      ['a', 3, 60],
    ]);
    await driver.restart();
    assert.deepEqual(await read(driver), [
      ['a', [1, 'first'], 20],
      ['a', [2, 'second'], 40],
    ]);
  });

  it('gives the joiner the key', async () => {
    const target = topology('test', (t) => {
      const accounts = t.table('accounts', { ...json<string>(), store: 'accounts' });
      t.stream('in', json<number>()).pipe(
        joinTable(accounts, (value, row, key) => `${key} ${row} ${value}`),
        to('out', json<string>()),
      );
    });
    const driver = await open(target);
    await feed(driver, 'accounts', [['a', 'Ann', 1]]);
    await feed(driver, 'in', [['a', 7, 2]]);
    assert.deepEqual(await read(driver), [['a', 'a Ann 7', 2]]);
  });

  it('finds rows written before a crash', async () => {
    const driver = await open(streamWithTable(joinTable));
    await feed(driver, 'accounts', [['a', 'Ann', 1]]);
    await driver.crash();
    await feed(driver, 'in', [['a', 1, 2]]);
    await driver.restart();
    assert.deepEqual(await read(driver), [['a', [1, 'Ann'], 2]]);
  });

  it('joins behind a change of key through a repartition topic of the given name', async () => {
    const target = topology('test', (t) => {
      const accounts = t.table('accounts', { ...json<string>(), store: 'accounts' });
      t.stream('in', json<{ account: string }>()).pipe(
        selectKey((record) => record.value.account, { key: serdes.string, name: 'by-account' }),
        joinTable(accounts, (_, account) => account),
        to('out', json<string>()),
      );
    });
    const driver = await open(target, { partitions: 3 });
    await feed(driver, 'accounts', [
      ['x', 'Ann', 1],
      ['y', 'Bob', 1],
    ]);
    await feed(
      driver,
      'in',
      [0, 1, 2].flatMap(
        (partition) =>
          [
            ['k', { account: 'x' }, 2, partition],
            ['k', { account: 'y' }, 3, partition],
          ] as const,
      ),
    );
    const names = (await read(driver)).map(([key, value]) => `${key} ${value}`).sort();
    assert.deepEqual(names, ['x Ann', 'x Ann', 'x Ann', 'y Bob', 'y Bob', 'y Bob']);
  });

  it('refuses to start if the two topics differ in their number of partitions', async () => {
    await assert.rejects(
      open(streamWithTable(joinTable), { partitions: { in: 2, accounts: 3 } }),
      failure('TOPIC_MISMATCH'),
    );
  });

  it('fails the record on which the joiner throws', async () => {
    const target = topology('test', (t) => {
      const accounts = t.table('accounts', { ...json<string>(), store: 'accounts' });
      const joiner = (): string => {
        throw new Error('no match for you');
      };
      t.stream('in', json<number>()).pipe(leftJoinTable(accounts, joiner), to('out', json<string>()));
    });
    const driver = await open(target);
    await assert.rejects(
      feed(driver, 'in', [['a', 1]]),
      failure('PROCESS_FAILED', /no match for you.*node leftJoinTable accounts/),
    );
  });
});

describe('leftJoinTable of a stream', () => {
  it('joins a record without a row, and one with a null key, with null', async () => {
    const driver = await open(streamWithTable(leftJoinTable));
    await feed(driver, 'accounts', [['a', 'Ann', 0]]);
    await feed(driver, 'in', [
      ['a', 1, 1],
      ['b', 2, 2],
      [null, 3, 3],
    ]);
    assert.deepEqual(await read(driver), [
      ['a', [1, 'Ann'], 1],
      ['b', [2, null], 2],
      [null, [3, null], 3],
    ]);
  });

  it('drops null values, and counts them', async () => {
    const driver = await open(streamWithTable(leftJoinTable));
    await feed(driver, 'in', [['a', null, 1]]);
    assert.deepEqual(await read(driver), []);
    assert.equal(driver.metrics.nodes['leftJoinTable accounts']?.['null-value'], 1);
  });
});

const tableWithTable = (join: typeof joinTable | typeof leftJoinTable) =>
  topology('test', (t) => {
    const right = t.table('right', { ...json<string>(), store: 'right' });
    const left = t.table('left', { ...json<string>(), store: 'left' });
    left.pipe((join as typeof leftJoinTable)(right, pair), to('out', json<any>()));
  });

describe('joinTable of a table', () => {
  it('emits for every change of either side while the other is present', async () => {
    const driver = await open(tableWithTable(joinTable));
    await feed(driver, 'left', [['a', 'l1', 1]]);
    assert.deepEqual(await read(driver), []);
    await feed(driver, 'right', [
      ['a', 'r1', 2],
      ['a', 'r1', 3],
    ]);
    await feed(driver, 'left', [['a', 'l2', 4]]);
    assert.deepEqual(await read(driver), [
      ['a', ['l1', 'r1'], 2],
      ['a', ['l1', 'r1'], 3],
      ['a', ['l2', 'r1'], 4],
    ]);
  });

  it('emits a tombstone for a deletion of either side while the other is present, repeated ones included', async () => {
    const driver = await open(tableWithTable(joinTable));
    await feed(driver, 'right', [['a', 'r', 1]]);
    await feed(driver, 'left', [
      ['a', null, 2],
      ['a', 'l', 3],
      ['a', null, 4],
      ['a', null, 5],
    ]);
    await feed(driver, 'right', [['a', null, 6]]);
    assert.deepEqual(await read(driver), [
      ['a', null, 2],
      ['a', ['l', 'r'], 3],
      ['a', null, 4],
      ['a', null, 5],
    ]);
  });

  it('takes the higher timestamp of the two rows', async () => {
    const driver = await open(tableWithTable(joinTable));
    await feed(driver, 'left', [['a', 'l', 9]]);
    await feed(driver, 'right', [
      ['a', 'r', 2],
      ['a', null, 3],
    ]);
    assert.deepEqual(await read(driver), [
      ['a', ['l', 'r'], 9],
      ['a', null, 9],
    ]);
  });

  it('joins a table with itself', async () => {
    const target = topology('test', (t) => {
      const table = t.table('in', { ...json<string>(), store: 'rows' });
      table.pipe(joinTable(table, pair), to('out', json<any>()));
    });
    const driver = await open(target);
    await feed(driver, 'in', [
      ['a', 'x', 1],
      ['a', null, 2],
    ]);
    assert.deepEqual((await read(driver)).at(0), ['a', ['x', 'x'], 1]);
    assert.deepEqual(await rows(driver, 'rows'), {});
  });
});

describe('leftJoinTable of a table', () => {
  it('joins a left row without a right one with null', async () => {
    const driver = await open(tableWithTable(leftJoinTable));
    await feed(driver, 'left', [['a', 'l', 1]]);
    await feed(driver, 'right', [
      ['a', 'r', 2],
      ['a', null, 3],
      ['b', 'r', 4],
      ['b', null, 5],
    ]);
    assert.deepEqual(await read(driver), [
      ['a', ['l', null], 1],
      ['a', ['l', 'r'], 2],
      ['a', ['l', null], 3],
    ]);
  });

  it('emits a tombstone for a deleted left row, and nothing if there was none on either side', async () => {
    const driver = await open(tableWithTable(leftJoinTable));
    await feed(driver, 'left', [
      ['a', null, 1],
      ['a', 'l', 2],
      ['a', null, 3],
      ['a', null, 4],
    ]);
    assert.deepEqual(await read(driver), [
      ['a', ['l', null], 2],
      ['a', null, 3],
    ]);
  });
});
