import assert from 'node:assert/strict';
import { reorderByVersion, serdes, to, topology } from '#src/index.js';
import { ByTheClock, between } from '../clock/clock.support.js';
import { feed, json, open, read, through } from '../support.js';

const waiting = {
  store: 'order',
  version: ({ value }: { readonly value: number }) => value,
  first: 1,
  gap: { wait: '5s', then: 'skip', clock: 'wall' },
} as const;

describe('a gap that the wall clock ends', () => {
  it('ends although other gaps open and close all the time', async () => {
    const driver = await open(through<number>((input) => input.pipe(reorderByVersion(waiting))));
    await feed(driver, 'in', [['x', 2]]);
    for (let n = 0; n < 14; n++) {
      await feed(driver, 'in', [[`y${n}`, 2]]);
      await feed(driver, 'in', [[`y${n}`, 1]]);
      await driver.advance('500ms');
    }
    assert.deepEqual(
      (await read(driver)).filter(([key]) => key === 'x'),
      [['x', 2, 0]],
    );
  });

  it('has its end at the time of its end: since when it was open, and the wait', async () => {
    const gap = await ByTheClock.of(between((input) => input.pipe(reorderByVersion(waiting))));
    await gap.app.start();
    await gap.app.write('in', [{ key: 'x', value: '2', timestamp: 0 }]);
    await gap.go(0, 1_000, 6_000);
    const notes = await gap.app.read('app-order-timers');
    assert.deepEqual(
      notes.map(({ value, timestamp }) => [JSON.parse(value as string), timestamp]),
      [
        [{ since: 0 }, 0],
        [{ since: 0, over: true }, 5_000],
      ],
    );
    await gap.app.close();
  });

  it('is not ended by a note with another key than the serde writes, or without a moment', async () => {
    const target = topology('app', (t) =>
      t
        .stream('in', { key: serdes.json<string>(), value: serdes.json<number>() })
        .pipe(reorderByVersion(waiting), to('out', json())),
    );
    const gap = await ByTheClock.of(target);
    await gap.app.start();
    await gap.app.write('in', [{ key: '"x"', value: '2', timestamp: 0 }]);
    await gap.go(0, 1_000);
    await gap.forge('app-order-timers', '{no json', '{"since":0,"over":true}');
    await gap.forge('app-order-timers', null, '{"since":0,"over":true}');
    await gap.forge('app-order-timers', '"x"', '{"since":1e300,"over":true}');
    await gap.go(0);
    assert.equal(await gap.out(), '');
    await gap.go(6_000);
    assert.equal(await gap.out(), '2');
    await gap.app.close();
  });
});
