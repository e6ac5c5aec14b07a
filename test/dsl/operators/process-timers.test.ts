import assert from 'node:assert/strict';
import { count, type Duration, process, type StreamRecord, serdes } from '#src/index.js';
import { failure, feed, json, open, outputOf, read, rows, through, values } from '../support.js';

type In = StreamRecord<string, number>;
const numbers = json<number>();

/** Passes records on, and says when its timer fired. */
const ticking = (every: Duration, clock: 'stream' | 'wall', cancelAfter = Number.POSITIVE_INFINITY) =>
  through<number>((input) =>
    input.pipe(
      process({
        name: 'tick',
        stores: { ticks: numbers },
        start({ schedule, forward }) {
          let fired = 0;
          const cancel = schedule(every, clock, (now) => {
            forward({ key: 'tick', value: now });
            if (++fired === cancelAfter) cancel();
          });
        },
        process: (record: In, { forward }) => forward(record),
      }),
    ),
  );

describe('a stream-time timer', () => {
  it('fires after the first record, then at multiples of its interval, once however far time has moved', async () => {
    const out = await outputOf(ticking('10ms', 'stream'), [
      ['a', 0, 3],
      ['a', 0, 9],
      ['a', 0, 10],
      ['a', 0, 19],
      ['a', 0, 55],
      ['a', 0, 59],
      ['a', 0, 60],
    ]);
    assert.deepEqual(
      out.filter(([key]) => key === 'tick').map(([, value]) => value),
      [3, 10, 55, 60],
    );
    assert.deepEqual(out.map(([key]) => key).join(' '), 'a tick a a tick a a tick a a tick');
  });

  it('gives what it forwards the time at which it fired', async () => {
    const out = await outputOf(ticking('10ms', 'stream'), [['a', 0, 25]]);
    assert.deepEqual(out.at(-1), ['tick', 25, 25]);
  });

  it('is not moved by late records', async () => {
    const out = await outputOf(ticking('10ms', 'stream'), [
      ['a', 0, 25],
      ['a', 0, 1],
      ['a', 0, 11],
      ['a', 0, 29],
    ]);
    assert.equal(out.filter(([key]) => key === 'tick').length, 1);
  });

  it('fires no more once it is cancelled', async () => {
    const out = await outputOf(ticking('10ms', 'stream', 2), [
      ['a', 0, 1],
      ['a', 0, 10],
      ['a', 0, 20],
      ['a', 0, 30],
    ]);
    assert.deepEqual(
      out.filter(([key]) => key === 'tick').map(([, value]) => value),
      [1, 10],
    );
  });

  it('does not fire again for the same multiple after a crash', async () => {
    const driver = await open(ticking('10ms', 'stream'));
    await feed(driver, 'in', [
      ['a', 0, 3],
      ['a', 0, 12],
    ]);
    await driver.crash();
    await feed(driver, 'in', [
      ['a', 0, 15],
      ['a', 0, 20],
    ]);
    await driver.restart();
    assert.deepEqual(
      (await read(driver)).filter(([key]) => key === 'tick').map(([, value]) => value),
      [3, 12, 20],
    );
  });

  it('may read and write stores, list them, and be async', async () => {
    const target = through<number>((input) =>
      input.pipe(
        process({
          name: 'buffer',
          stores: { waiting: numbers },
          start({ schedule, stores: { waiting }, forward }) {
            schedule('10ms', 'stream', async () => {
              for await (const [key, value] of waiting.entries()) {
                forward({ key, value });
                waiting.delete(key);
              }
            });
          },
          process: ({ key, value }: In, { stores }) => stores.waiting.put(key, value),
        }),
        count({ store: 'counts' }),
      ),
    );
    const driver = await open(target);
    await feed(driver, 'in', [
      ['z', 1, 1],
      ['c', 1, 2],
      ['b', 1, 3],
      ['c', 2, 4],
      ['a', 1, 10],
      ['d', 1, 11],
    ]);
    assert.deepEqual(await read(driver), [
      ['z', 1, 1],
      ['a', 1, 10],
      ['b', 1, 10],
      ['c', 1, 10],
    ]);
    assert.deepEqual(await rows(driver, 'waiting'), { d: 1 });
  });

  it('several that are due fire by due time, then in the order in which they were scheduled', async () => {
    const target = through<number>((input) =>
      input.pipe(
        process({
          name: 'tick',
          start({ schedule, forward }) {
            for (const every of ['20ms', '10ms', '20ms'] as const)
              schedule(every, 'stream', () => forward({ key: every, value: 0 }));
          },
          process: (_: In) => undefined,
        }),
      ),
    );
    const out = await outputOf(target, [
      ['a', 0, 5],
      ['a', 0, 31],
    ]);
    assert.deepEqual(
      out.map(([key]) => key),
      ['20ms', '10ms', '20ms', '10ms', '20ms', '20ms'],
    );
  });

  it('stops the engine when its function throws, whatever the policy', async () => {
    const target = through<number>((input) =>
      input.pipe(
        process({
          name: 'p',
          start: ({ schedule }) =>
            void schedule('1s', 'stream', () => {
              throw new Error('wound too tight');
            }),
          process: (_: In) => undefined,
        }),
      ),
    );
    const driver = await open(target, { onError: { process: 'skip' } });
    await assert.rejects(feed(driver, 'in', [['a', 1]]), failure('PROCESS_FAILED', /wound too tight/));
  });

  it('CONFIG_INVALID: it has no usable interval', async () => {
    for (const every of ['0ms', 'soon'] as const)
      await assert.rejects(open(ticking(every as Duration, 'stream')), failure('CONFIG_INVALID', /tick/));
  });
});

describe('a wall-clock timer', () => {
  it('fires at multiples of its interval when the clock moves, without any record, at most once', async () => {
    const driver = await open(ticking('10s', 'wall'));
    await feed(driver, 'in', [['a', 0, 3]]);
    await driver.advance('9s');
    assert.deepEqual(
      (await read(driver)).map(([key]) => key),
      ['a'],
    );
    await driver.advance('1s');
    await driver.advance('35s');
    await driver.advance('5s');
    assert.deepEqual(await values(driver), [10_000, 45_000, 50_000]);
  });

  it('fires no more once it is cancelled', async () => {
    const driver = await open(ticking('1s', 'wall', 1));
    await feed(driver, 'in', [['a', 0, 3]]);
    await driver.advance('1s');
    await driver.advance('1s');
    assert.deepEqual(await values(driver), [0, 1_000]);
  });

  it('commits what it writes to its stores', async () => {
    const target = through<number>((input) =>
      input.pipe(
        process({
          name: 'sweep',
          stores: { waiting: numbers },
          start: ({ schedule, stores: { waiting } }) =>
            void schedule('1s', 'wall', async () => {
              for await (const [key] of waiting.entries()) waiting.delete(key);
            }),
          process: ({ key, value }: In, { stores }) => stores.waiting.put(key, value),
        }),
      ),
    );
    const driver = await open(target);
    await feed(driver, 'in', [
      ['a', 1, 1],
      ['b', 2, 2],
    ]);
    await driver.advance('1s');
    await driver.crash();
    await driver.restart();
    assert.deepEqual(await rows(driver, 'waiting'), {});
  });

  it('fires in every task', async () => {
    const driver = await open(ticking('1s', 'wall'), { partitions: 3 });
    await feed(driver, 'in', [
      ['a', 0, 3, 0],
      ['b', 0, 3, 1],
      ['c', 0, 3, 2],
    ]);
    await driver.output('out', { key: serdes.string, value: serdes.json() }).read();
    await driver.advance('1s');
    assert.deepEqual(await values(driver), [1_000, 1_000, 1_000]);
  });
});

describe('a timer scheduled while a record is processed', () => {
  it('fires at the same records for every batch size', async () => {
    const target = through<number>((input) =>
      input.pipe(
        process({
          name: 'p',
          process({ key, value }: In, { schedule, forward }) {
            if (value === 1) schedule('10ms', 'stream', (now) => forward({ key: 'tick', value: now }));
            forward({ key, value });
          },
        }),
      ),
    );
    const given = [
      ['a', 1, 5],
      ['a', 2, 15],
      ['a', 3, 25],
      ['a', 4, 35],
    ] as const;
    const expected = await outputOf(target, given, { batchRecords: 1 });
    assert.equal(expected.length, 7);
    for (const batchRecords of [2, 7, 1_000])
      assert.deepEqual(await outputOf(target, given, { batchRecords }), expected, `${batchRecords}`);
  });
});
