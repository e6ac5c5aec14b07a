import assert from 'node:assert/strict';
import { type ReorderByVersionOptions, reorderByVersion } from '#src/index.js';
import { deadLetters, failure, feed, open, outputOf, read, rows, type Short, through, values } from '../support.js';

/** Values are versions. */
const ordered = (options: Partial<ReorderByVersionOptions<string, number>> = {}) =>
  through<number>((input) =>
    input.pipe(reorderByVersion({ store: 'order', version: (record) => record.value, first: 1, ...options })),
  );

/** Versions of key a, one millisecond apart. */
const versions = (...given: number[]): Short[] => given.map((version, i) => ['a', version, i]);
const counters = (driver: Awaited<ReturnType<typeof open>>) => driver.metrics.nodes['reorderByVersion order'];

describe('the gap policy of reorderByVersion', () => {
  const gap = (then: 'skip' | 'fail' | 'deadLetter', clock: 'stream' | 'wall' = 'stream') =>
    ordered({ gap: { wait: '10ms', then, clock } });

  it('skip: goes on with the lowest version that waits', async () => {
    const driver = await open(gap('skip'));
    await feed(driver, 'in', [
      ['a', 1, 0],
      ['a', 4, 1],
      ['a', 5, 2],
      ['b', 1, 10],
    ]);
    assert.deepEqual(await values(driver), [1, 1]);
    await feed(driver, 'in', [
      ['b', 2, 11],
      ['a', 3, 12],
      ['a', 6, 13],
    ]);
    assert.deepEqual(await values(driver), [2, 4, 5, 6]);
    assert.equal(counters(driver)?.['skipped-versions'], 2);
    assert.equal(counters(driver)?.stale, 1);
  });

  it('a record that arrives at the moment its wait ends still closes the gap', async () => {
    assert.deepEqual(
      (
        await outputOf(gap('skip'), [
          ['a', 1, 0],
          ['a', 3, 1],
          ['a', 2, 11],
        ])
      ).map(([, value]) => value),
      [1, 2, 3],
    );
  });

  it('fail: VERSION_GAP', async () => {
    const driver = await open(gap('fail'));
    await assert.rejects(
      feed(driver, 'in', [
        ['a', 1, 0],
        ['a', 3, 1],
        ['b', 1, 11],
      ]),
      failure('VERSION_GAP', /version 2 of "a" did not come within 10ms/),
    );
  });

  it('deadLetter: sends what waits with its own bytes and position, and goes on waiting', async () => {
    const driver = await open(gap('deadLetter'));
    await feed(driver, 'in', [
      ['a', 1, 0],
      ['a', 3, 1],
      ['a', 4, 2],
      ['b', 1, 11],
      ['a', 5, 12],
    ]);
    assert.deepEqual(await values(driver), [1, 1]);
    assert.deepEqual(
      (await deadLetters(driver)).map(({ key, value, code, from }) => [key, value, code, from]),
      [
        ['a', 3, 'VERSION_GAP', 'in[0]@1'],
        ['a', 4, 'VERSION_GAP', 'in[0]@2'],
      ],
    );
    await feed(driver, 'in', [
      ['a', 2, 13],
      ['a', 3, 14],
      ['a', 4, 15],
    ]);
    assert.deepEqual(await values(driver), [2, 3, 4, 5]);
  });

  it('waits on over a crash from when the first later version came', async () => {
    for (const step of ['3 offsets', '4 apply'] as const) {
      const driver = await open(gap('skip'));
      await driver.crash(step);
      await feed(driver, 'in', [
        ['a', 1, 0],
        ['a', 3, 1],
      ]);
      await driver.restart();
      await feed(driver, 'in', [['b', 1, 10]]);
      assert.deepEqual(await values(driver), [1, 1], step);
      await feed(driver, 'in', [['b', 2, 11]]);
      assert.deepEqual(await values(driver), [2, 3], step);
    }
  });

  it('the wall clock ends a wait without any record, and stream time does not', async () => {
    const driver = await open(ordered({ gap: { wait: '5s', then: 'skip', clock: 'wall' } }));
    await feed(driver, 'in', [
      ['a', 1, 0],
      ['a', 3, 1],
      ['b', 1, 1_000_000],
    ]);
    await driver.advance('4s');
    assert.deepEqual(await values(driver), [1, 1]);
    await driver.advance('1s');
    assert.deepEqual(await read(driver), [['a', 3, 1]]);
  });

  it('the wall clock goes on over a crash', async () => {
    const driver = await open(ordered({ gap: { wait: '5s', then: 'deadLetter', clock: 'wall' } }));
    await feed(driver, 'in', [
      ['a', 1, 0],
      ['a', 3, 1],
    ]);
    await driver.advance('3s');
    await driver.crash();
    await driver.restart();
    await driver.advance('2s');
    assert.deepEqual(
      (await deadLetters(driver)).map(({ value, from }) => [value, from]),
      [[3, 'in[0]@1']],
    );
  });

  it('keeps a row of a gap only while it is open', async () => {
    const driver = await open(gap('skip'));
    await feed(driver, 'in', versions(1, 3));
    assert.deepEqual(Object.keys(await rows(driver, 'order-gaps')), ['a']);
    await feed(driver, 'in', versions(2));
    assert.deepEqual(await rows(driver, 'order-gaps'), {});
  });
});
