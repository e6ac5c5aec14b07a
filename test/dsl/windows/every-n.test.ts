import assert from 'node:assert/strict';
import { count, everyN, joinTable, reduce, serdes, toStream, toTable, type Windowing } from '#src/index.js';
import { failure, feed, open, type Short } from '../support.js';
import { readWindows, windowedThrough, windowRows } from './windows.support.js';

const sums = (windowing: Windowing) =>
  windowedThrough((input) =>
    input.pipe(
      reduce({
        store: 'sums',
        value: serdes.json<number>(),
        ...windowing,
        add: (a, b: number) => (a + b === 0 ? null : a + b),
      }),
    ),
  );
const records: readonly Short[] = [
  ['a', 1, 10],
  ['b', 5, 20],
  ['a', 2, 5],
  ['a', 3, 7],
  ['a', 4, 6],
];

describe('windows of so many records', () => {
  it('hold the next n records of a key, whatever their timestamps', async () => {
    const driver = await open(sums({ window: everyN(3) }));
    for (const record of records) await feed(driver, 'in', [record]);
    assert.deepEqual(await readWindows(driver), [
      ['a 0..3', 1, 10],
      ['b 0..3', 5, 20],
      ['a 0..3', 3, 10],
      ['a 0..3', 6, 10],
      ['a 3..6', 4, 6],
    ]);
  });

  it('come out with their nth record where they are emitted when they close', async () => {
    const driver = await open(sums({ window: everyN(2), emit: 'onClose' }));
    for (const record of records) await feed(driver, 'in', [record]);
    assert.deepEqual(await readWindows(driver), [
      ['a 0..2', 3, 10],
      ['a 2..4', 7, 7],
    ]);
  });

  it('count a record that empties the window, and are not emitted empty', async () => {
    const driver = await open(sums({ window: everyN(2), emit: 'onClose' }));
    for (const n of [1, -1, 4, 5]) await feed(driver, 'in', [['a', n, 0]]);
    assert.deepEqual(await readWindows(driver), [['a 2..4', 9, 0]]);
  });

  it('go on in the middle after a crash', async () => {
    const driver = await open(sums({ window: everyN(2), emit: 'onClose' }));
    await feed(driver, 'in', [['a', 1, 0]]);
    await driver.crash();
    await driver.restart();
    await feed(driver, 'in', [['a', 2, 0]]);
    assert.deepEqual(await readWindows(driver), [['a 0..2', 3, 0]]);
  });

  it('forget a key that has had no record for the retention', async () => {
    const driver = await open(sums({ window: everyN(3, { retention: '10ms' }) }));
    for (const record of [
      ['a', 1, 0],
      ['b', 1, 10],
      ['a', 1, 10],
      ['b', 1, 21],
      ['a', 1, 21],
    ] as const)
      await feed(driver, 'in', [record]);
    assert.deepEqual(
      (await readWindows(driver)).map(([key, value]) => [key, value]),
      [
        ['a 0..3', 1],
        ['b 0..3', 1],
        ['a 0..3', 2],
        ['b 0..3', 1],
        ['a 0..3', 1],
      ],
    );
  });

  it('can be kept in a table of their own', async () => {
    const key = serdes.windowed(serdes.string);
    const driver = await open(
      windowedThrough((input) =>
        input.pipe(
          count({ store: 'counts', window: everyN(2), emit: 'onClose' }),
          toStream(),
          toTable({ store: 'full', key, value: serdes.json<number | null>() as never }),
        ),
      ),
    );
    await feed(driver, 'in', [
      ['a', 1, 0],
      ['a', 1, 1],
      ['a', 1, 2],
      ['a', 1, 3],
    ]);
    assert.deepEqual(await windowRows(driver, 'full'), { 'a 0..2': 2, 'a 2..4': 2 });
  });

  it('have no rows that could be joined, and say so', async () => {
    const joined = windowedThrough((input) => {
      const counts = input.pipe(count({ store: 'counts', window: everyN(2) }));
      return counts.pipe(
        toStream(),
        joinTable(counts, (left, right) => [left, right]),
      );
    });
    await assert.rejects(open(joined), failure('TOPOLOGY_INVALID', /no store/));
  });

  it('are refused without a size, and with options that time alone gives a meaning', async () => {
    assert.throws(() => everyN(0), failure('CONFIG_INVALID', /whole number of at least 1/));
    assert.throws(() => everyN(1.5), failure('CONFIG_INVALID'));
    await assert.rejects(
      open(sums({ window: everyN(2), late: 'deadLetter' })),
      failure('TOPOLOGY_INVALID', /none is late/),
    );
    await assert.rejects(open(sums({ window: everyN(2), closeAfter: { idle: '1s' } })), failure('TOPOLOGY_INVALID'));
  });
});
