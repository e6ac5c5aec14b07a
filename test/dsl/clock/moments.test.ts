import assert from 'node:assert/strict';
import { process, type StreamRecord, serdes } from '#src/index.js';
import { deadLetters, failure, feed, open, read, rows, through, values } from '../support.js';
import { ByTheClock, between } from './clock.support.js';

interface Order {
  readonly at?: number;
  readonly id?: string;
}
type In = StreamRecord<string, Order>;

/** Sets a timer for each record with a moment, and cancels one for each without. `bad` throws. */
const reminders = through<Order>((input) =>
  input.pipe(
    process(
      {
        name: 'r',
        emits: serdes.json<string>(),
        timer: {
          payload: serdes.json<null>(),
          run: ({ key, id, due }, { emit }) => {
            if (id === 'bad') throw new Error('bad');
            emit({ key, value: `${id}@${due}` });
          },
        },
      },
      ({ value: { at: due, id } }: In, { at, cancel }) => {
        const options = id === undefined ? {} : { id };
        if (due === undefined) cancel(id);
        else at(due, null, options);
      },
    ),
  ),
);

describe('timers of keys', () => {
  it('fire, also if all those in memory were cancelled', async () => {
    const driver = await open(reminders);
    const key = (n: number): string => `k${n}`;
    await feed(
      driver,
      'in',
      Array.from({ length: 8_300 }, (_, n) => [key(n), { at: 10_000 + n }, 0] as const),
    );
    await feed(
      driver,
      'in',
      Array.from({ length: 4_096 }, (_, n) => [key(n), {}, 1] as const),
    );
    await driver.advance('1h');
    assert.equal((await read(driver)).length, 8_300 - 4_096);
    assert.deepEqual(await rows(driver, 'r-due'), {});
  });

  for (const then of ['skip', 'deadLetter'] as const) {
    it(`fire beside one of the same key and moment that throws: ${then}`, async () => {
      const driver = await open(reminders, { onError: { process: { retry: 1, backoff: '1ms', then } } });
      await feed(driver, 'in', [
        ['x', { at: 100, id: 'a' }],
        ['x', { at: 100, id: 'bad' }],
        ['x', { at: 100, id: 'c' }],
        ['x', { at: 5_000, id: 'later' }],
      ]);
      await driver.advance('1s');
      assert.deepEqual((await values(driver)).toSorted(), ['a@100', 'c@100']);
      assert.equal((await deadLetters(driver)).length, then === 'skip' ? 0 : 1);
      await driver.advance('9s');
      assert.deepEqual(await values(driver), ['later@5000']);
      assert.deepEqual(await rows(driver, 'r-timers'), {});
    });
  }

  it('are any number for a key: no record of a changelog grows with it', async () => {
    const app = await ByTheClock.of(
      between((input) =>
        input.pipe(
          process(
            {
              name: 'r',
              emits: serdes.json<string>(),
              timer: { payload: serdes.json<string>(), run: ({ key, id }, { emit }) => emit({ key, value: id }) },
            },
            ({ value }: StreamRecord<string, number>, { at }) => at(1_000, 'x'.repeat(50), { id: `${value}` }),
          ),
        ),
      ),
    );
    await app.app.start();
    for (let n = 0; n < 2_000; n += 100) {
      await app.app.write(
        'in',
        Array.from({ length: 100 }, (_, i) => ({ key: 'x', value: `${n + i}`, timestamp: 0 })),
      );
      await app.go(1);
    }
    const logged = await app.app.read('app-r-timers-changelog');
    assert.ok(Math.max(...logged.map(({ value }) => value?.length ?? 0)) < 70_000);
    await app.go(10_000);
    assert.equal((await app.app.read('out')).length, 2_000);
    assert.deepEqual(await app.app.rows(), {});
    await app.app.close();
  });

  it('PROCESS_FAILED: an id is no text, or has half of a surrogate pair', async () => {
    for (const id of [5 as unknown as string, '\ud800']) {
      const driver = await open(reminders);
      await assert.rejects(
        feed(driver, 'in', [['x', { at: 5, id }]]),
        failure('PROCESS_FAILED', /an id that is no text/),
      );
    }
  });

  it('drop a note that names none', async () => {
    const json = { key: serdes.json<string>(), value: serdes.json<number>() };
    const app = await ByTheClock.of(
      between((input) =>
        input.pipe(
          process(
            {
              name: 'r',
              rekey: json,
              timer: { payload: serdes.json<null>(), run: ({ key }, { emit }) => emit({ key, value: 1 }) },
            },
            ({ timestamp }: StreamRecord<string, number>, { at }) => at(timestamp + 10, null),
          ),
        ),
      ),
    );
    await app.app.start();
    await app.app.write('in', [{ key: 'a', value: '1', timestamp: 0 }]);
    await app.go(1);
    const notes: readonly (readonly [string | null, string])[] = [
      ['\xff', '{"of":"key","id":"","due":10}'],
      [null, '{"of":"key","id":"","due":10}'],
      ['a', '{"of":"key","due":10}'],
      ['a', '{"of":"key","id":"","due":1e300}'],
      ['a', '{"of":"key","id":"","due":5}'],
    ];
    for (const [key, value] of notes) await app.forge('app-r-timers', key, value);
    await app.go(1);
    assert.equal(await app.out(), '');
    await app.go(10);
    assert.equal(await app.out(), '1');
    await app.app.close();
  });
});
