import assert from 'node:assert/strict';
import {
  count,
  groupBy,
  Headers,
  mapValues,
  repartition,
  selectKey,
  serdes,
  to,
  topology,
  toTable,
} from '#src/index.js';
import { failure, feed, json, open, outputOf, read, rows, through } from '../support.js';

interface Payment {
  readonly account: string | null;
  readonly amount: number;
}

const byAccount = through<Payment>((input) =>
  input.pipe(groupBy((record) => record.value.account, { key: serdes.string, name: 'by-account' })),
);
const payment = (account: string | null, amount: number): Payment => ({ account, amount });

describe('groupBy on a stream', () => {
  it('passes each record on under its new key, with its value, timestamp and headers', async () => {
    const driver = await open(byAccount);
    const input = driver.input('in', json<Payment>());
    await input.send({ key: 'a', value: payment('x', 1), timestamp: 5, headers: { trace: 't' } });
    const [record] = await driver.output('out', json<Payment>()).read();
    assert.deepEqual(record, {
      key: 'x',
      value: payment('x', 1),
      timestamp: 5,
      headers: Headers.of({ trace: 't' }),
      partition: 0,
    });
  });

  it('drops records whose new key is null, and counts them', async () => {
    const driver = await open(byAccount);
    await feed(driver, 'in', [
      ['a', payment(null, 1)],
      [null, payment('x', 2)],
    ]);
    assert.deepEqual(await read(driver), [['x', payment('x', 2), 0]]);
    assert.equal(driver.metrics.nodes['repartition by-account']?.['null-key'], 1);
  });

  it('lets all records of a group meet in one task, in the order of each partition they came from', async () => {
    const target = through<Payment>((input) =>
      input.pipe(
        groupBy((record) => record.value.account as string, { key: serdes.string, name: 'by-account' }),
        count({ store: 'counts' }),
      ),
    );
    const driver = await open(target, { partitions: 3 });
    await feed(
      driver,
      'in',
      [0, 1, 2, 0, 1, 2].map((partition, i) => [`k${i}`, payment('xy'[i % 2] as string, i), i, partition] as const),
    );
    assert.deepEqual(await rows(driver, 'counts'), { x: 3, y: 3 });
  });

  it('passes null values of the stream through the repartition topic', async () => {
    const target = through<Payment>((input) =>
      input.pipe(
        mapValues((value) => (value.amount > 1 ? value : null)),
        groupBy((record) => record.key, { key: serdes.string, name: 'same' }),
      ),
    );
    assert.deepEqual(await outputOf(target, [['a', payment('x', 1), 3]]), [['a', null, 3]]);
  });

  it('writes to a topic of its name with as many partitions as asked for', async () => {
    const target = through<Payment>((input) =>
      input.pipe(
        groupBy((record) => record.value.account as string, { key: serdes.string, name: 'by-account', partitions: 5 }),
        toTable({ store: 'rows', value: json<Payment>().value }),
      ),
    );
    const driver = await open(target, { partitions: 2 });
    await feed(
      driver,
      'in',
      Array.from({ length: 20 }, (_, i) => [`k${i}`, payment(`x${i}`, i)] as const),
    );
    const written = await driver.output('test-by-account-repartition', json<Payment>()).read();
    assert.equal(written.length, 20);
    assert.ok(written.some(({ partition }) => partition > 1));
    assert.equal(Object.keys(await rows(driver, 'rows')).length, 20);
  });

  it('fails the record on which its function throws', async () => {
    const driver = await open(byAccount);
    await assert.rejects(
      feed(driver, 'in', [['a', null]]),
      failure('PROCESS_FAILED', /in\[0\]@0, node repartition by-account/),
    );
  });

  it('fails the record whose new key cannot be written', async () => {
    const target = through<Payment>((input) =>
      input.pipe(groupBy((record) => record.value.account as string, { key: serdes.uuid, name: 'by-account' })),
    );
    await assert.rejects(outputOf(target, [['a', payment('x', 1)]]), failure('SERIALIZE_FAILED', /serde uuid/));
  });

  it('continues after a crash without losing or repeating a record', async () => {
    for (const step of ['1 settle', '2 log', '3 offsets', '4 apply'] as const) {
      const driver = await open(byAccount);
      await feed(driver, 'in', [['a', payment('x', 1)]]);
      await driver.crash(step);
      await feed(driver, 'in', [['a', payment('x', 2)]]);
      await driver.restart();
      await feed(driver, 'in', [['a', payment('y', 3)]]);
      assert.deepEqual(
        (await read(driver)).map(([key]) => key),
        ['x', 'x', 'y'],
        step,
      );
    }
  });
});

describe('repartition', () => {
  it('keeps key, value, timestamp and order, and drops null keys', async () => {
    const target = through<number>((input) => input.pipe(repartition({ name: 'again', key: serdes.string })));
    const driver = await open(target);
    await feed(driver, 'in', [
      ['a', 1, 9],
      [null, 2, 8],
      ['a', 3, 7],
      ['b', null, 6],
    ]);
    assert.deepEqual(await read(driver), [
      ['a', 1, 9],
      ['a', 3, 7],
      ['b', null, 6],
    ]);
    assert.equal(driver.metrics.nodes['repartition again']?.['null-key'], 1);
  });

  it('serves several keyed operators behind one change of key', async () => {
    const target = topology('test', (t) => {
      const regrouped = t.stream('in', json<string>()).pipe(
        selectKey((record) => record.value),
        repartition({ name: 'by-value', key: serdes.string, value: serdes.string }),
      );
      regrouped.pipe(count({ store: 'counts' }), to('counts', json<number>()));
      regrouped.pipe(toTable({ store: 'rows', value: serdes.string }), to('rows', json<string>()));
    });
    const driver = await open(target, { partitions: 2 });
    await feed(driver, 'in', [
      ['a', 'x', 1, 0],
      ['b', 'x', 2, 1],
    ]);
    assert.deepEqual(await rows(driver, 'counts'), { x: 2 });
    assert.deepEqual(await rows(driver, 'rows'), { x: 'x' });
    assert.deepEqual(
      target.graph.nodes.filter(({ kind }) => kind === 'repartition').map(({ id }) => id),
      ['repartition by-value'],
    );
  });
});

describe('groupBy on a table', () => {
  it('takes groups for the same by their bytes: bigints may be in them, and the order of fields counts', async () => {
    const target = topology('t', (t) => {
      t.table('in', { ...json<{ group: string; amount: number }>(), store: 'rows' }).pipe(
        groupBy(({ value }) => JSON.parse(value?.group ?? 'null'), { key: serdes.json<any>(), name: 'by-group' }),
        count({ store: 'counts' }),
      );
      t.table('big', { key: serdes.string, value: serdes.json<string>(), store: 'big-rows' }).pipe(
        groupBy(({ value }) => BigInt(value as string), { key: serdes.bigint64, name: 'by-big' }),
        count({ store: 'big-counts' }),
      );
    });
    const driver = await open(target);
    for (const group of ['{"a":1,"b":2}', '{"b":2,"a":1}', '{"b":2,"a":1}'])
      await feed(driver, 'in', [['r', { group, amount: 1 }]]);
    assert.deepEqual(
      (await driver.store('counts').entries()).map(([group, n]) => [JSON.stringify(group), n]),
      [
        ['{"a":1,"b":2}', 0],
        ['{"b":2,"a":1}', 1],
      ],
    );
    await driver
      .input('big', { key: serdes.string, value: serdes.json<string>() })
      .sendAll(['1', '1', '2'].map((value) => ({ key: 'r', value, timestamp: 1 })));
    assert.deepEqual(await driver.store('big-counts').entries(), [
      [1n, 0],
      [2n, 1],
    ]);
  });
});
