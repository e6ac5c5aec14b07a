import assert from 'node:assert/strict';
import { count, toStream, tumbling } from '#src/index.js';
import { ByTheClock, between } from './clock.support.js';

const daily = between((input) =>
  input.pipe(
    count({ store: 'daily', window: tumbling('1d'), emit: 'onClose', closeAfter: { idle: '1s' } }),
    toStream(),
  ),
);
const DAY = 86_400_000;

describe('stream time that goes on with the wall clock', () => {
  it('closes a window on time if a record has brought its end closer', async () => {
    const clock = await ByTheClock.of(daily);
    await clock.app.start();
    await clock.app.write('in', [{ key: 'a', value: '1', timestamp: 0 }]);
    // From here on, the end of the day is far away.
    await clock.go(0, 1_000, 4_000);
    await clock.app.write('in', [{ key: 'a', value: '1', timestamp: DAY - 2_000 }]);
    await clock.go(0, 1_000);
    assert.equal(await clock.out(), '');
    await clock.go(1_000);
    assert.equal(await clock.out(), '2');
    await clock.app.close();
  });

  it('is not moved by a note that names no moment', async () => {
    for (const streamTime of [1e300, -5, 1.5]) {
      const clock = await ByTheClock.of(daily);
      await clock.app.start();
      await clock.app.write('in', [{ key: 'a', value: '1', timestamp: 5 }]);
      await clock.go(0);
      await clock.forge('app-daily-timers', null, JSON.stringify({ streamTime }));
      await clock.go(0);
      assert.equal(await clock.out(), '');
      await clock.go(DAY);
      assert.equal(await clock.out(), '1');
      await clock.app.close();
    }
  });
});
