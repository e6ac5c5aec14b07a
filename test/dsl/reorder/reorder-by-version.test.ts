import assert from 'node:assert/strict';
import { mapValues, type ReorderByVersionOptions, reorderByVersion, selectKey, serdes } from '#src/index.js';
import { deadLetters, failure, feed, json, open, outputOf, read, type Short, through, values } from '../support.js';

/** Values are versions. */
const ordered = (options: Partial<ReorderByVersionOptions<string, number>> = {}) =>
  through<number>((input) =>
    input.pipe(reorderByVersion({ store: 'order', version: (record) => record.value, first: 1, ...options })),
  );

/** Versions of key a, one millisecond apart. */
const versions = (...given: number[]): Short[] => given.map((version, i) => ['a', version, i]);
const counters = (driver: Awaited<ReturnType<typeof open>>) => driver.metrics.nodes['reorderByVersion order'];

describe('reorderByVersion', () => {
  it('lets each version through after the one before, and what waited with its own timestamp and headers', async () => {
    const driver = await open(ordered());
    const input = driver.input('in', json<number>());
    for (const [i, value] of [3, 1, 4, 2].entries())
      await input.send({ key: 'a', value, timestamp: 10 - i, headers: { nth: `${i}` } });
    const records = await driver.output('out', json<number>()).read();
    assert.deepEqual(
      records.map(({ key, value, timestamp, headers }) => [key, value, timestamp, headers.text('nth')]),
      [
        ['a', 1, 9, '1'],
        ['a', 2, 7, '3'],
        ['a', 3, 10, '0'],
        ['a', 4, 8, '2'],
      ],
    );
    assert.equal(counters(driver)?.['out-of-order'], 2);
  });

  it('begins with whichever version comes first, if none is given', async () => {
    const target = through<number>((input) =>
      input.pipe(reorderByVersion({ store: 'order', version: (record) => record.value })),
    );
    assert.deepEqual(
      (await outputOf(target, versions(7, 9, 6, 8))).map(([, value]) => value),
      [7, 8, 9],
    );
  });

  it('keeps the versions of each key apart', async () => {
    const out = await outputOf(ordered(), [
      ['a', 1],
      ['b', 2],
      ['b', 1],
      ['a', 2],
    ]);
    assert.deepEqual(out.map(([key, value]) => `${key}${value}`).join(' '), 'a1 b1 b2 a2');
  });

  it('counts versions of an entity that is not the key, null keys included', async () => {
    const target = through<{ e: string; v: number }>((input) =>
      input.pipe(
        reorderByVersion({
          store: 'order',
          version: (record) => record.value.v,
          entity: (record) => record.value.e,
          first: 0,
        }),
        mapValues(({ e, v }) => e + v),
      ),
    );
    const out = await outputOf(target, [
      [null, { e: 'x', v: 1 }],
      [null, { e: 'y', v: 0 }],
      [null, { e: 'x', v: 0 }],
    ]);
    assert.deepEqual(
      out.map(([key, value]) => [key, value]),
      [
        [null, 'y0'],
        [null, 'x0'],
        [null, 'x1'],
      ],
    );
  });

  it('drops null keys, and counts them', async () => {
    const driver = await open(ordered());
    await feed(driver, 'in', [
      [null, 1],
      ['a', 1],
    ]);
    assert.deepEqual(await values(driver), [1]);
    assert.equal(counters(driver)?.['null-key'], 1);
  });

  it('takes null values like others, waiting ones too', async () => {
    const target = through<number | null>((input) =>
      input.pipe(reorderByVersion({ store: 'order', version: (record) => record.timestamp, first: 0 })),
    );
    const driver = await open(target);
    await feed(driver, 'in', [['a', null, 1]]);
    await driver.crash();
    await driver.restart();
    await feed(driver, 'in', [['a', 5, 0]]);
    assert.deepEqual(await read(driver), [
      ['a', 5, 0],
      ['a', null, 1],
    ]);
  });

  it('drops stale versions, passed or waiting, and counts them', async () => {
    const driver = await open(ordered());
    await feed(driver, 'in', versions(1, 1, 3, 3, 0, 2, 3));
    assert.deepEqual(await values(driver), [1, 2, 3]);
    assert.equal(counters(driver)?.stale, 4);
  });

  it('passes stale versions, or sends them to the dead letter topic, as asked', async () => {
    assert.deepEqual(
      (await outputOf(ordered({ stale: 'pass' }), versions(1, 1, 3, 3, 2))).map(([, value]) => value),
      [1, 1, 3, 2, 3],
    );
    const driver = await open(ordered({ stale: 'deadLetter' }));
    await feed(driver, 'in', versions(1, 3, 1, 2));
    assert.deepEqual(await values(driver), [1, 2, 3]);
    assert.deepEqual(
      (await deadLetters(driver)).map(({ value, message, from }) => [value, message, from]),
      [[1, 'version 1 has already been seen: 2 is next', 'in[0]@2']],
    );
  });

  it('REORDER_BUFFER_FULL: one more record waits than maxBuffered allows', async () => {
    const driver = await open(ordered({ maxBuffered: 2 }));
    await assert.rejects(
      feed(driver, 'in', versions(3, 4, 5)),
      failure('REORDER_BUFFER_FULL', /version 5 of "a" cannot wait: 2 records wait for version 1/),
    );
    const going = await open(ordered({ maxBuffered: 2 }), { onError: { process: 'deadLetter' } });
    await feed(going, 'in', versions(3, 4, 5, 1, 2));
    assert.deepEqual(await values(going), [1, 2, 3, 4]);
    assert.deepEqual(
      (await deadLetters(going)).map(({ value, code }) => [value, code]),
      [[5, 'REORDER_BUFFER_FULL']],
    );
  });

  it('VERSION_INVALID: a version is no integer, or of another kind than those before', async () => {
    for (const version of [1.5, Number.NaN, undefined, '1', null]) {
      const driver = await open(ordered({ version: () => version as number }));
      await assert.rejects(feed(driver, 'in', versions(1)), failure('VERSION_INVALID'), String(version));
    }
    const mixed = ordered({ version: (record) => (record.value === 2 ? 2n : record.value) });
    await assert.rejects(
      outputOf(mixed, versions(1, 2)),
      failure('VERSION_INVALID', /saw 2n, expected a number, as before for "a"/),
    );
  });

  it('orders bigints beyond 2^53', async () => {
    const base = 2n ** 60n;
    const target = ordered({ version: (record) => base + BigInt(record.value), first: base + 1n });
    const driver = await open(target);
    await feed(driver, 'in', versions(3, 2));
    await driver.crash();
    await driver.restart();
    await feed(driver, 'in', versions(1, 4));
    assert.deepEqual(await values(driver), [1, 2, 3, 4]);
  });

  it('keeps what waits over a crash after any commit step', async () => {
    for (const step of ['1 settle', '2 log', '3 offsets', '4 apply'] as const) {
      const driver = await open(ordered());
      await feed(driver, 'in', versions(3, 1));
      await driver.crash(step);
      await feed(driver, 'in', versions(5, 4));
      await driver.restart();
      await feed(driver, 'in', versions(2, 2));
      assert.deepEqual(await values(driver), [1, 2, 3, 4, 5], step);
    }
  });

  it('reads behind a change of key from a repartition topic', async () => {
    const target = through<number>((input) =>
      input.pipe(
        selectKey(() => 'one', { name: 'one-key', key: serdes.string }),
        reorderByVersion({ store: 'order', version: (record) => record.value, first: 1 }),
      ),
    );
    const driver = await open(target, { partitions: 2 });
    await feed(driver, 'in', [
      ['a', 2, 1, 0],
      ['b', 1, 2, 1],
    ]);
    assert.deepEqual(await values(driver), [1, 2]);
  });
});
