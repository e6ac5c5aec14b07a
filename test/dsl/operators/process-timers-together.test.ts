import assert from 'node:assert/strict';
import { count, process, type StreamRecord, to, topology } from '#src/index.js';
import { json, open, outputOf, read, rows, through } from '../support.js';

type In = StreamRecord<string, number>;
const numbers = json<number>();

describe('timers of several processors', () => {
  /** Two processors beside each other, and both write to one topic. */
  const two = (clock: 'stream' | 'wall') =>
    topology('test', (t) => {
      const input = t.stream('in', numbers);
      for (const every of [100, 30]) {
        input.pipe(
          process<In>({
            name: `every-${every}`,
            start: ({ schedule, forward }) =>
              void schedule(`${every}ms`, clock, (now) => forward({ key: `tick ${every}`, value: now })),
            process: ({ key, value }, { forward }) => forward({ key, value }),
          }),
          to('out', { ...numbers, name: `out-${every}` }),
        );
      }
    });

  for (const batchRecords of [1, 2, 1_000]) {
    it(`fire after the record has run through all of them, by due time, in batches of ${batchRecords}`, async () => {
      const out = await outputOf(
        two('stream'),
        [
          ['a', 0, 40],
          ['b', 0, 100],
          ['c', 0, 125],
        ],
        { batchRecords },
      );
      assert.deepEqual(
        out.map(([key]) => key),
        ['a', 'a', 'tick 100', 'tick 30', 'b', 'b', 'tick 30', 'tick 100', 'c', 'c', 'tick 30'],
      );
    });
  }

  it('on the wall clock fire by due time, too', async () => {
    const driver = await open(two('wall'));
    await driver.advance('100ms');
    assert.deepEqual(
      (await read(driver)).map(([key]) => key),
      ['tick 30', 'tick 100'],
    );
  });

  it('on the wall clock run to the end: what they send through a repartition arrives in that advance', async () => {
    const target = through<number>((input) =>
      input.pipe(
        process<In>({
          name: 'tick',
          rekey: { ...numbers, name: 'ticks' },
          start: ({ schedule, forward }) =>
            void schedule('10ms', 'wall', (now) => forward({ key: 'tick', value: now })),
          process: () => undefined,
        }),
        count({ store: 'counts' }),
      ),
    );
    const driver = await open(target);
    await driver.advance('10ms');
    assert.deepEqual(await rows(driver, 'counts'), { tick: 1 });
    assert.deepEqual(await read(driver), [['tick', 1, 10]]);
  });
});
