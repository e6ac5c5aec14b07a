import assert from 'node:assert/strict';
import fc from 'fast-check';
import { filter } from 'rxjs';
import {
  count,
  joinGlobalTable,
  joinTable,
  leftJoinGlobalTable,
  process,
  type StreamRecord,
  selectKey,
  serdes,
  to,
  topology,
  toStream,
} from '#src/index.js';
import { TestDriver, type TestDriverOptions } from '#src/testing/index.js';
import { deadLetters, failure, feed, json, open, read, rows, type Short, values } from '../support.js';

interface Payment {
  readonly account: string | null;
}

const by = (account: string | null): Payment => ({ account });
const owner = (left: unknown, row: unknown, key: unknown): any => [left, row, key];

const joined = (join: typeof joinGlobalTable | typeof leftJoinGlobalTable) =>
  topology('test', (t) => {
    const accounts = t.globalTable('accounts', { ...json<string>(), store: 'all-accounts' });
    t.stream('in', json<Payment>()).pipe(
      (join as typeof leftJoinGlobalTable)(accounts, {
        key: (record) => record.value.account,
        join: (payment, row, key) => owner(payment.account, row, key),
      }),
      to('out', json<any>()),
    );
  });

describe('joinGlobalTable', () => {
  it('joins by a key made of the record, which keeps its own key and its timestamp', async () => {
    const driver = await open(joined(joinGlobalTable));
    await feed(driver, 'accounts', [['x', 'Ann', 50]]);
    await feed(driver, 'in', [['a', by('x'), 10]]);
    assert.deepEqual(await read(driver), [['a', ['x', 'Ann', 'a'], 10]]);
  });

  it('joins records without a key', async () => {
    const driver = await open(joined(joinGlobalTable));
    await feed(driver, 'accounts', [['x', 'Ann']]);
    await feed(driver, 'in', [[null, by('x'), 1]]);
    assert.deepEqual(await read(driver), [[null, ['x', 'Ann', null], 1]]);
  });

  it('drops what has no row, a null value and a null made by the key function, and counts the last two', async () => {
    const driver = await open(joined(joinGlobalTable));
    await feed(driver, 'in', [
      ['a', by('x')],
      ['a', null],
      ['a', by(null)],
    ]);
    assert.deepEqual(await read(driver), []);
    assert.deepEqual(driver.metrics.nodes['joinGlobalTable all-accounts'], { 'null-value': 1, 'null-key': 1 });
  });

  it('sees the table as it is when the record is processed, whatever the timestamps', async () => {
    const driver = await open(joined(joinGlobalTable));
    await feed(driver, 'accounts', [['x', 'Ann', 50]]);
    await feed(driver, 'in', [['a', by('x'), 10]]);
    await feed(driver, 'accounts', [['x', 'Ada', 5]]);
    await feed(driver, 'in', [['a', by('x'), 11]]);
    await feed(driver, 'accounts', [['x', null, 6]]);
    await feed(driver, 'in', [['a', by('x'), 12]]);
    assert.deepEqual(
      (await values(driver)).map((value: any) => value[1]),
      ['Ann', 'Ada'],
    );
  });

  it('has all partitions of the table in every task, and needs no equal partition counts', async () => {
    const driver = await open(joined(joinGlobalTable), { partitions: { in: 3, accounts: 5, out: 1 } });
    const names = ['p', 'q', 'r', 's', 't', 'u', 'v', 'w'];
    await feed(
      driver,
      'accounts',
      names.map((name) => [name, name.toUpperCase()]),
    );
    await feed(
      driver,
      'in',
      [0, 1, 2].flatMap((partition) => names.map((name): Short => ['a', by(name), 0, partition])),
    );
    const found = (await values(driver)).map((value: any) => value[1]).sort();
    assert.deepEqual(found, names.flatMap((name) => Array(3).fill(name.toUpperCase())).sort());
  });

  it('reads all of the table before the first record, whatever startFrom says', async () => {
    const driver = await open(joined(joinGlobalTable), { startFrom: 'latest' });
    await driver.crash();
    await feed(driver, 'accounts', [['x', 'Ann']]);
    await driver.restart();
    await feed(driver, 'in', [['a', by('x')]]);
    assert.deepEqual(await values(driver), [['x', 'Ann', 'a']]);
  });

  it('leaves a change of key to the keyed operator behind it, which repartitions', async () => {
    const target = topology('test', (t) => {
      const accounts = t.globalTable('accounts', { ...json<string>(), store: 'all-accounts' });
      t.stream('in', json<Payment>()).pipe(
        selectKey((record) => record.value.account ?? 'none', { key: serdes.string, name: 'by-account' }),
        joinGlobalTable(accounts, { key: (record) => record.key, join: (_, name) => name }),
        count({ store: 'counts' }),
        toStream(),
        to('out', json<any>()),
      );
    });
    const driver = await open(target, { partitions: { in: 3, out: 1 } });
    await feed(driver, 'accounts', [['x', 'Ann']]);
    await feed(
      driver,
      'in',
      [0, 1, 2].map((partition): Short => ['a', by('x'), 0, partition]),
    );
    assert.deepEqual(await rows(driver, 'counts'), { x: 3 });
  });

  it('may be written by the topology that reads it', async () => {
    const target = topology('test', (t) => {
      const seen = t.globalTable('seen', { ...json<number>(), store: 'all-seen' });
      const input = t.stream('in', json<number>());
      input.pipe(to('seen', json<number>()));
      input.pipe(
        joinGlobalTable(seen, { key: (record) => record.key, join: (now, before) => [before, now] }),
        to('out', json<any>()),
      );
    });
    const driver = await open(target);
    for (const n of [1, 2, 3]) await feed(driver, 'in', [['a', n]]);
    assert.deepEqual(await values(driver), [
      [1, 2],
      [2, 3],
    ]);
  });

  it('a key function that throws concerns its record alone', async () => {
    const target = topology('test', (t) => {
      const accounts = t.globalTable('accounts', { ...json<string>(), store: 'all-accounts' });
      t.stream('in', json<number>()).pipe(
        joinGlobalTable(accounts, {
          key: ({ value }) => {
            if (value === 2) throw new Error('two');
            return 'x';
          },
          join: (n, name) => `${name} ${n}`,
        }),
        to('out', json<any>()),
      );
    });
    const driver = await open(target, { onError: { process: 'deadLetter' } });
    await feed(driver, 'accounts', [['x', 'Ann']]);
    await feed(driver, 'in', [
      ['a', 1],
      ['a', 2],
      ['a', 3],
    ]);
    assert.deepEqual(await values(driver), ['Ann 1', 'Ann 3']);
    assert.deepEqual(
      (await deadLetters(driver)).map(({ value }) => value),
      [2],
    );
  });

  it('outputs do not depend on the size of batches while the table rests', async () => {
    const name = fc.constantFrom('p', 'q', 'r', 's');
    const table = fc.array(fc.tuple(name, fc.option(fc.string())), { maxLength: 8 });
    const records = fc.array(fc.tuple(fc.option(name), fc.option(fc.option(name)), fc.nat(50)), { maxLength: 30 });
    const target = topology('test', (t) => {
      const accounts = t.globalTable('accounts', { ...json<string>(), store: 'all-accounts' });
      const options = { key: (record: StreamRecord<string, Payment>) => record.value.account, join: owner };
      const input = t.stream('in', json<Payment>());
      input.pipe(joinGlobalTable(accounts, options), to('out', json<any>()));
      input.pipe(
        leftJoinGlobalTable(accounts, options),
        filter(({ value }) => value[2] !== 'q'),
        leftJoinGlobalTable(accounts, { key: (record) => record.key, join: owner }),
        to('left', json<any>()),
      );
    });
    const outcome = async (options: TestDriverOptions, given: readonly Short[], content: readonly Short[]) => {
      const driver = await TestDriver.create(target, { partitions: { in: 2, accounts: 3 }, ...options });
      await feed(driver, 'accounts', content);
      await driver.crash();
      await feed(driver, 'in', given);
      await driver.restart();
      const found = [await read(driver, 'out'), await read(driver, 'left'), driver.metrics.nodes];
      await driver.close();
      return found;
    };
    await fc.assert(
      fc.asyncProperty(table, records, async (content, given) => {
        const fed = given.map(([key, account, at]): Short => [key, account === null ? null : by(account), at]);
        const expected = await outcome({ batchRecords: 1 }, fed, content);
        for (const batchRecords of [2, 7, 1_000])
          assert.deepEqual(await outcome({ batchRecords }, fed, content), expected, `batches of ${batchRecords}`);
        // With no memory for a cache every look-up goes to the database.
        assert.deepEqual(await outcome({ cacheBytes: 1 }, fed, content), expected, 'without a cache');
      }),
      { numRuns: 25 },
    );
  });
});

describe('leftJoinGlobalTable', () => {
  it('joins what has no row, and what the key function gives null for, with null; drops null values', async () => {
    const driver = await open(joined(leftJoinGlobalTable));
    await feed(driver, 'accounts', [['x', 'Ann']]);
    await feed(driver, 'in', [
      ['a', by('x'), 1],
      ['a', by('y'), 2],
      [null, by(null), 3],
      ['a', null, 4],
    ]);
    assert.deepEqual(await read(driver), [
      ['a', ['x', 'Ann', 'a'], 1],
      ['a', ['y', null, 'a'], 2],
      [null, [null, null, null], 3],
    ]);
    assert.deepEqual(driver.metrics.nodes['leftJoinGlobalTable all-accounts'], { 'null-value': 1 });
  });
});

describe('a global table', () => {
  it('shows its rows in the driver when send resolves', async () => {
    const driver = await open(joined(joinGlobalTable));
    await driver.input('accounts', json<string>()).send({ key: 'x', value: 'Ann' });
    assert.deepEqual(await rows(driver, 'all-accounts'), { x: 'Ann' });
    assert.equal(await driver.store('all-accounts').get('x'), 'Ann');
    assert.equal(await driver.store('all-accounts').get('y'), null);
  });

  it('drops null keys and counts them; a null value deletes the row', async () => {
    const driver = await open(joined(joinGlobalTable));
    await feed(driver, 'accounts', [
      ['x', 'Ann'],
      [null, 'Nobody'],
      ['y', 'Bob'],
      ['x', null],
    ]);
    assert.deepEqual(await rows(driver, 'all-accounts'), { y: 'Bob' });
    assert.deepEqual(driver.metrics.nodes['globalTable accounts'], { 'null-key': 1 });
  });

  it('finds equal keys that were written in other bytes', async () => {
    const keys = serdes.json<{ id: number }>();
    const target = topology('test', (t) => {
      const accounts = t.globalTable('accounts', { key: keys, value: serdes.string, store: 'all-accounts' });
      t.stream('in', json<number>()).pipe(
        joinGlobalTable(accounts, { key: ({ value }) => ({ id: value }), join: (_, name) => name }),
        to('out', json<any>()),
      );
    });
    const driver = await open(target);
    const text = { key: serdes.string, value: serdes.string };
    await driver.input('accounts', text).send({ key: '{ "id" : 7 }', value: 'Ann' });
    await feed(driver, 'in', [['a', 7]]);
    assert.deepEqual(await values(driver), ['Ann']);
  });

  it('writes what does not decode to the dead letter topic, or skips it, or ends the application', async () => {
    const driver = await open(joined(joinGlobalTable), { onError: { deserialize: 'deadLetter' } });
    const text = { key: serdes.string, value: serdes.string };
    await driver.input('accounts', text).sendAll([
      { key: 'x', value: 'no JSON' },
      { key: 'y', value: '"Bob"' },
    ]);
    assert.deepEqual(await rows(driver, 'all-accounts'), { y: 'Bob' });
    const [letter, ...others] = await driver.deadLetters().read();
    assert.deepEqual(others, []);
    assert.equal(letter?.value, 'no JSON');
    assert.equal(letter?.headers.text('millrace.operator'), 'globalTable accounts');
    assert.equal(driver.metrics.nodes['globalTable accounts']?.['dead-letter'], 1);

    const skipping = await open(joined(joinGlobalTable), { onError: { deserialize: 'skip' } });
    await skipping.input('accounts', text).send({ key: 'x', value: 'no JSON' });
    assert.equal(skipping.metrics.nodes['globalTable accounts']?.skipped, 1);

    const failing = await open(joined(joinGlobalTable));
    await assert.rejects(
      failing.input('accounts', text).send({ key: 'x', value: 'no JSON' }),
      failure('DESERIALIZE_FAILED', /accounts\[0\]@0/),
    );
    await assert.rejects(failing.restart(), failure('DESERIALIZE_FAILED'));
  });

  it('is read by process under uses, by key, by load and as a whole, and cannot be written', async () => {
    const target = topology('test', (t) => {
      t.globalTable('accounts', { ...json<string>(), store: 'all-accounts' });
      t.stream('in', json<string>()).pipe(
        process({
          name: 'reader',
          uses: ['all-accounts'],
          reads: (record: StreamRecord<string, string>) => [['all-accounts', record.value]],
          async process(record, { store, forward }) {
            const accounts = store<string, string>('all-accounts');
            if (record.value === 'write') accounts.put('x', 'Eve');
            const all: string[] = [];
            for await (const [key] of accounts.entries({ from: 'x' })) all.push(key);
            const seen = [accounts.get(record.value), accounts.row(record.value), await accounts.load('y'), all];
            forward({ key: record.key, value: seen as never });
          },
        }),
        to('out', json<any>()),
      );
    });
    const driver = await open(target, { onError: { process: 'skip' } });
    await feed(driver, 'accounts', [
      ['w', 'Will', 1],
      ['x', 'Ann', 7],
      ['y', 'Bob', 8],
    ]);
    await feed(driver, 'in', [['a', 'x']]);
    assert.deepEqual(await values(driver), [['Ann', { value: 'Ann', timestamp: 7 }, 'Bob', ['x', 'y']]]);
    await assert.rejects(
      feed(driver, 'in', [['a', 'write']]),
      failure('STORE_READ_ONLY', /all-accounts.*Write to its topic/),
    );
  });

  it('keeps its rows over a crash, and reads on from there', async () => {
    const driver = await open(joined(joinGlobalTable));
    await feed(driver, 'accounts', [['x', 'Ann']]);
    await driver.crash();
    await feed(driver, 'accounts', [['y', 'Bob']]);
    await driver.restart();
    assert.deepEqual(await rows(driver, 'all-accounts'), { x: 'Ann', y: 'Bob' });
    assert.equal(driver.metrics.restoredRecords, 1);
  });

  it('takes its rows from another topic when it is declared to, and forgets those of the first', async () => {
    const on = (first: string, second: string) =>
      topology('test', (t) => {
        const a = t.globalTable(first, { ...json<string>(), store: 'a' });
        const b = t.globalTable(second, { ...json<string>(), store: 'b' });
        t.stream('in', json<string>()).pipe(
          leftJoinGlobalTable(a, { key: ({ value }) => value, join: (key, row) => [key, row] as any }),
          leftJoinGlobalTable(b, { key: ({ value }) => value[0], join: ([, one], two) => [one, two] }),
          to('out', json<any>()),
        );
      });
    const driver = await open(on('one', 'two'));
    await feed(driver, 'one', [['x', '1']]);
    await feed(driver, 'two', [['x', '2']]);
    await driver.restart(on('two', 'one'));
    assert.deepEqual([await rows(driver, 'a'), await rows(driver, 'b')], [{ x: '2' }, { x: '1' }]);
    await feed(driver, 'in', [['k', 'x']]);
    assert.deepEqual(await values(driver), [['2', '1']]);
  });

  it('is joined beside a table that is joined by key', async () => {
    const target = topology('test', (t) => {
      const rates = t.globalTable('rates', { ...json<number>(), store: 'all-rates' });
      const accounts = t.table('accounts', { ...json<string>(), store: 'accounts' });
      t.stream('in', json<string>()).pipe(
        joinTable(accounts, (currency, name) => ({ currency, name })),
        joinGlobalTable(rates, { key: ({ value }) => value.currency, join: ({ name }, rate) => `${name} ${rate}` }),
        to('out', json<any>()),
      );
    });
    const driver = await open(target, { partitions: { in: 2, accounts: 2, rates: 3 } });
    await feed(driver, 'rates', [['EUR', 2]]);
    await feed(driver, 'accounts', [['a', 'Ann', 0]]);
    await feed(driver, 'in', [['a', 'EUR', 1]]);
    assert.deepEqual(await values(driver), ['Ann 2']);
  });
});
