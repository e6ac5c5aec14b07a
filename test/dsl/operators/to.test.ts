import assert from 'node:assert/strict';
import { Headers, mapValues, serdes, to, topology, toTable } from '#src/index.js';
import { deadLetters, failure, feed, json, open, read, rows, values } from '../support.js';

interface Payment {
  readonly currency: string;
  readonly amount: number;
}

const payments = json<Payment>();
const payment = (currency: string, amount: number): Payment => ({ currency, amount });

/** Topic `in` straight to a sink. */
const sink = (...args: Parameters<typeof to<any>>) =>
  topology('test', (t) => {
    t.stream('in', payments).pipe(to(...args));
  });

describe('to', () => {
  it('writes key, value, timestamp and headers, and passes each record on', async () => {
    const target = topology('test', (t) => {
      t.stream('in', payments).pipe(
        to('first', payments),
        mapValues(({ amount }) => amount),
        to('second', json<number>()),
      );
    });
    const driver = await open(target);
    await driver
      .input('in', payments)
      .send({ key: 'a', value: payment('EUR', 7), timestamp: 3, headers: { trace: 't' } });
    const [record] = await driver.output('first', payments).read();
    assert.deepEqual(record, {
      key: 'a',
      value: payment('EUR', 7),
      timestamp: 3,
      headers: Headers.of({ trace: 't' }),
      partition: 0,
    });
    assert.deepEqual(await read(driver, 'second'), [['a', 7, 3]]);
  });

  it('writes a null value as a tombstone and a null key as none', async () => {
    const driver = await open(sink('out', payments));
    await feed(driver, 'in', [
      ['a', null, 1],
      [null, payment('EUR', 1), 2],
    ]);
    assert.deepEqual(await read(driver), [
      ['a', null, 1],
      [null, payment('EUR', 1), 2],
    ]);
  });

  it('writes the deletion of a row as a tombstone', async () => {
    const target = topology('test', (t) => {
      t.stream('in', payments).pipe(toTable({ store: 'rows', value: payments.value }), to('out', payments));
    });
    const driver = await open(target);
    await feed(driver, 'in', [
      ['a', payment('EUR', 1), 1],
      ['a', null, 2],
    ]);
    assert.deepEqual(await values(driver), [payment('EUR', 1), null]);
  });

  it('writes each key to one partition, the one that its hash gives in any Kafka client', async () => {
    const driver = await open(sink('out', payments), { partitions: { in: 1, out: 4 } });
    const keys = ['21', 'foobar', 'abc'];
    await feed(
      driver,
      'in',
      keys.flatMap(
        (key) =>
          [
            [key, payment('EUR', 1), 1],
            [key, payment('EUR', 2), 2],
          ] as const,
      ),
    );
    const found = await driver.output('out', payments).read();
    assert.equal(found.length, 6);
    for (const key of keys) {
      assert.equal(
        new Set(found.filter((record) => record.key === key).map(({ partition }) => partition)).size,
        1,
        key,
      );
    }
    // murmur2("21") = -973932308, murmur2("foobar") = -790332482: Kafka's UtilsTest.
    assert.equal(found.find(({ key }) => key === '21')?.partition, (-973932308 & 0x7fffffff) % 4);
    assert.equal(found.find(({ key }) => key === 'foobar')?.partition, (-790332482 & 0x7fffffff) % 4);
  });

  it('writes records without a key to the partition of their task', async () => {
    const driver = await open(sink('out', payments), { partitions: { in: 3, out: 2 } });
    await feed(
      driver,
      'in',
      [0, 1, 2].map((partition) => [null, payment('EUR', partition), 1, partition] as const),
    );
    const found = await driver.output('out', payments).read();
    assert.deepEqual(found.map(({ value, partition }) => [value?.amount, partition]).sort(), [
      [0, 0],
      [1, 1],
      [2, 0],
    ]);
  });

  it('lets a function choose the partition, undefined meaning the hash of the key', async () => {
    const driver = await open(
      sink('out', {
        ...payments,
        partition: (record, partitions) => (record.value.currency === 'EUR' ? partitions - 1 : undefined),
      }),
      { partitions: { in: 1, out: 5 } },
    );
    await feed(driver, 'in', [
      ['foobar', payment('EUR', 1)],
      ['foobar', payment('USD', 2)],
    ]);
    const found = await driver.output('out', payments).read();
    assert.deepEqual(found.map(({ value, partition }) => [value?.amount, partition]).sort(), [
      [1, 4],
      [2, (-790332482 & 0x7fffffff) % 5],
    ]);
  });

  it('PARTITION_INVALID: the function chose a partition that the topic does not have', async () => {
    for (const partition of [2, -1, 0.5, Number.NaN]) {
      const driver = await open(sink('out', { ...payments, partition: () => partition }), { partitions: 2 });
      await assert.rejects(
        feed(driver, 'in', [['a', payment('EUR', 1)]]),
        failure('PARTITION_INVALID', new RegExp(`saw ${partition}.*from 0 to 1`)),
      );
    }
  });

  it('lets a function choose the topic, also one that the topology does not name', async () => {
    const driver = await open(sink((record) => `paid-${record.value.currency}`, { ...payments, name: 'by-currency' }));
    await feed(driver, 'in', [
      ['a', payment('EUR', 1), 1],
      ['b', payment('USD', 2), 2],
      ['c', payment('EUR', 3), 3],
    ]);
    assert.deepEqual(
      (await read(driver, 'paid-EUR')).map(([key]) => key),
      ['a', 'c'],
    );
    assert.deepEqual(
      (await read(driver, 'paid-USD')).map(([key]) => key),
      ['b'],
    );
  });

  it('SERIALIZE_FAILED: the function chose no topic', async () => {
    const driver = await open(sink((() => undefined) as never, { ...payments, name: 'nowhere' }));
    await assert.rejects(
      feed(driver, 'in', [['a', payment('EUR', 1)]]),
      failure('SERIALIZE_FAILED', /the topic function returned no topic/),
    );
  });

  it('SERIALIZE_FAILED: a key or value cannot be written, and the policy of produce decides', async () => {
    const target = sink('out', { key: serdes.string, value: serdes.int64 as never });
    await assert.rejects(
      feed(await open(target), 'in', [['a', payment('EUR', 1)]]),
      failure('SERIALIZE_FAILED', /cannot encode the value with serde int64/),
    );
    const skipping = await open(target, { onError: { produce: 'skip' } });
    await feed(skipping, 'in', [['a', payment('EUR', 1)]]);
    assert.equal(skipping.metrics.nodes['to out']?.skipped, 1);
    const keeping = await open(target, { onError: { produce: 'deadLetter' } });
    await feed(keeping, 'in', [['a', payment('EUR', 1), 5]]);
    const [letter] = await deadLetters(keeping);
    assert.deepEqual(
      [letter?.key, letter?.value, letter?.code, letter?.operator],
      ['a', payment('EUR', 1), 'SERIALIZE_FAILED', 'to out'],
    );
  });

  it('writes records in the order of those that caused them, whichever stage they come from', async () => {
    const target = topology('test', (t) => {
      const input = t.stream('in', payments);
      input.pipe(toTable({ store: 'rows', value: payments.value }), to('out', { ...payments, name: 'late' }));
      input.pipe(to('out', { ...payments, name: 'early' }));
    });
    const driver = await open(target);
    await feed(
      driver,
      'in',
      [1, 2, 3].map((n) => ['a', payment('EUR', n), n] as const),
    );
    assert.deepEqual(
      (await values(driver)).map((value) => (value as Payment).amount),
      [1, 1, 2, 2, 3, 3],
    );
    assert.deepEqual(await rows(driver, 'rows'), { a: payment('EUR', 3) });
  });

  it('under exactly_once, writes every record once, whenever a crash comes', async () => {
    for (const step of ['1 settle', '2 log', '3 offsets', '4 apply'] as const) {
      const driver = await open(sink('out', payments));
      await driver.crash(step);
      await feed(driver, 'in', [
        ['a', payment('EUR', 1)],
        ['a', payment('EUR', 2)],
      ]);
      await driver.restart();
      assert.deepEqual(
        (await values(driver)).map((value) => (value as Payment).amount),
        [1, 2],
        step,
      );
    }
  });
});
