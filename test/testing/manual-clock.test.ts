import assert from 'node:assert/strict';
import { sleep } from '#src/model/ports.js';
import { ManualClock, seededRandom } from '#src/testing/index.js';

describe('the manual clock', () => {
  it('moves only when a test moves it', () => {
    const clock = new ManualClock(100);
    assert.deepEqual([clock.now(), clock.monotonic()], [100, 100]);
    clock.advance(50);
    assert.deepEqual([clock.now(), clock.monotonic()], [150, 150]);
  });

  it('calls back all that wait, in the order of their times, each at its own', () => {
    const clock = new ManualClock();
    const calls: string[] = [];
    clock.after(20, () => calls.push(`late ${clock.now()}`));
    clock.after(10, () => calls.push(`early ${clock.now()}`));
    clock.after(10, () => calls.push(`early too ${clock.now()}`));
    clock.after(99, () => calls.push('never'));
    clock.advance(30);
    assert.deepEqual(calls, ['early 10', 'early too 10', 'late 20']);
    assert.equal(clock.now(), 30);
    assert.ok(clock.waiting);
  });

  it('calls back on the way what was scheduled on the way', () => {
    const clock = new ManualClock();
    const calls: number[] = [];
    clock.after(10, () => clock.after(10, () => calls.push(clock.now())));
    clock.advance(30);
    assert.deepEqual(calls, [20]);
  });

  it('does not call back what was cancelled', () => {
    const clock = new ManualClock();
    clock.after(10, assert.fail)();
    clock.advance(30);
    assert.equal(clock.waiting, false);
  });

  it('ends a sleep when its time has come, or at once when the signal is aborted', async () => {
    const clock = new ManualClock();
    const asleep = sleep(clock, 10);
    clock.fireNext();
    await asleep;
    assert.equal(clock.now(), 10);
    const controller = new AbortController();
    const cancelled = sleep(clock, 10, controller.signal);
    controller.abort();
    await cancelled;
    assert.equal(clock.waiting, false);
    await sleep(clock, 10, controller.signal);
  });
});

describe('seeded random numbers', () => {
  it('are the same for the same seed, others for another, and lie in [0, 1)', () => {
    const draw = (seed: number): number[] => {
      const random = seededRandom(seed);
      return Array.from({ length: 100 }, () => random());
    };
    assert.deepEqual(draw(5), draw(5));
    assert.notDeepEqual(draw(5), draw(6));
    assert.ok(draw(7).every((n) => n >= 0 && n < 1));
  });
});
