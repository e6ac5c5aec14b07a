import assert from 'node:assert/strict';
import fc from 'fast-check';
import { subscriptionSerde, UNKNOWN_PARTITION } from '#src/dsl/foreign-keys/messages.js';
import { subscriberStore } from '#src/dsl/foreign-keys/subscribers.js';
import { joinTable, leftJoinTable, serdes, topology } from '#src/index.js';
import { feed, json, open, type Short } from '../support.js';

const text = { key: serdes.string, value: serdes.string };

const debts = (kind: 'inner' | 'left') =>
  topology('debts', (t) => {
    const customers = t.table('customers', { ...json<string>(), store: 'customers' });
    t.table('invoices', { ...json<string>(), store: 'invoices' }).pipe(
      (kind === 'inner' ? joinTable : leftJoinTable)(customers, {
        foreignKey: (customer: string) => (customer === 'nobody' ? null : customer),
        join: (_: string, name: string | null) => `${name}`,
        store: 'debts',
        value: serdes.string,
      }),
    );
  });

const PARTITIONS = { customers: 2, invoices: 3 };

/** The joined rows of all partitions. */
async function joinedRows(driver: Awaited<ReturnType<typeof open>>): Promise<unknown[]> {
  return (await driver.store<string, string>('debts').entries()).toSorted();
}

describe('a foreign-key join of rows that another partitioner has placed', () => {
  it('answers to the partition that the left row came from', async () => {
    for (const kind of ['inner', 'left'] as const) {
      const driver = await open(debts(kind), { partitions: PARTITIONS });
      await feed(driver, 'customers', [['c', 'Ann', 1]]);
      await feed(
        driver,
        'invoices',
        [...'abcdef'].map((key) => [key, 'c', 2, 0]),
      );
      assert.deepEqual(
        await joinedRows(driver),
        [...'abcdef'].map((key) => [key, 'Ann']),
      );
      // Also what the right side says later, over a crash.
      await driver.crash();
      await driver.restart();
      await feed(driver, 'customers', [['c', 'Ada', 3]]);
      assert.deepEqual(
        await joinedRows(driver),
        [...'abcdef'].map((key) => [key, 'Ada']),
      );
      assert.deepEqual(
        driver.metrics.nodes[`${kind === 'inner' ? 'joinTable' : 'leftJoinTable'} debts`]?.stale,
        undefined,
      );
    }
  });

  it('keeps rows of one key in several partitions apart', async () => {
    const driver = await open(debts('inner'), { partitions: PARTITIONS });
    await feed(driver, 'customers', [
      ['c', 'Ann', 1],
      ['d', 'Bob', 1],
    ]);
    await feed(driver, 'invoices', [
      ['a', 'c', 2, 0],
      ['a', 'c', 2, 1],
      ['a', 'd', 2, 2],
    ]);
    await feed(driver, 'invoices', [['a', null, 3, 0]]);
    await feed(driver, 'customers', [['c', 'Ada', 4]]);
    assert.deepEqual(await joinedRows(driver), [
      ['a', 'Ada'],
      ['a', 'Bob'],
    ]);
  });

  it('ends with the relational join, wherever rows are (property)', async () => {
    const customer = fc.constantFrom('c', 'd', 'e');
    const key = fc.constantFrom('i', 'j', 'k', 'l');
    const update: fc.Arbitrary<readonly [topic: string, record: Short]> = fc.oneof(
      fc
        .tuple(customer, fc.option(fc.constantFrom('Ann', 'Bob'), { freq: 3 }), fc.nat(9))
        .map((row) => ['customers', row] as const),
      fc
        .tuple(key, fc.option(fc.oneof(customer, fc.constant('nobody')), { freq: 4 }), fc.nat(9), fc.nat(2))
        .map((row) => ['invoices', row] as const),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('inner' as const, 'left' as const),
        fc.array(update, { maxLength: 25 }),
        async (kind, updates) => {
          const driver = await open(debts(kind), { partitions: PARTITIONS });
          const customers = new Map<string, string>();
          const invoices = new Map<string, readonly [key: string, customer: string]>();
          for (const [topic, record] of updates) {
            await feed(driver, topic, [record]);
            const [key, value, , partition] = record as readonly [string, string | null, number, number?];
            const [rows, id] = topic === 'customers' ? [customers, key] : [invoices, `${partition} ${key}`];
            if (value === null) rows.delete(id);
            else if (topic === 'customers') customers.set(key, value);
            else invoices.set(id, [key, value]);
          }
          const expected = [...invoices.values()].flatMap(([id, of]) => {
            const name = customers.get(of);
            return name !== undefined || kind === 'left' ? [[id, `${name ?? null}`]] : [];
          });
          assert.deepEqual(await joinedRows(driver), expected.toSorted());
          await driver.close();
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe('what a foreign-key join wrote before it knew of partitions', () => {
  it('is read: messages, and the rows that refer to a key', () => {
    const leftKey = text.key.encode('k');
    const message = Buffer.alloc(1 + 8 + leftKey.length);
    message[0] = 3;
    leftKey.copy(message, message.writeDoubleBE(7, 1));
    assert.deepEqual(subscriptionSerde.decode(message), { ask: 3, partition: UNKNOWN_PARTITION, at: 7, leftKey });

    const { value } = subscriberStore('subscribers', serdes.string);
    const row = Buffer.concat([
      Buffer.from([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]),
      message.subarray(1, 9),
      Buffer.from([0, 0, 0, 1]),
      leftKey,
    ]);
    const read = value.decode(row);
    assert.deepEqual(read.subscribers, [{ key: leftKey, partition: UNKNOWN_PARTITION, at: 7 }]);
    assert.deepEqual(value.decode(value.encode(read)), read);
  });

  it('is refused if it is of a version that is not known', () => {
    assert.throws(
      () => subscriptionSerde.decode(Buffer.from([0x50, 0, 0, 0, 0, 0, 0, 0, 0])),
      /format 5, expected 1 or 2/,
    );
  });
});
