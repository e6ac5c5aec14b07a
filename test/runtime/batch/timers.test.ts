import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Timers } from '#src/runtime/batch/timers.js';

/** Fires what is due at each time, and notes when. */
async function fire(timers: Timers, times: readonly number[]): Promise<void> {
  for (const now of times) for (const { run } of timers.take(now)) await run(now);
}

describe('timers', () => {
  it('fire at multiples of their interval, counted from zero', async () => {
    const timers = new Timers();
    const fired: number[] = [];
    timers.schedule(10, 13, (now) => void fired.push(now));
    assert.equal(timers.nextDue, 20);
    await fire(timers, [19, 20, 29, 30, 31]);
    assert.deepEqual(fired, [20, 30]);
  });

  it('fire once however far time has moved', async () => {
    const timers = new Timers();
    const fired: number[] = [];
    timers.schedule(10, 0, (now) => void fired.push(now));
    await fire(timers, [95, 99, 100]);
    assert.deepEqual(fired, [95, 100]);
  });

  it('that were scheduled before the first record are due with it', () => {
    const timers = new Timers();
    timers.schedule(10, Number.NEGATIVE_INFINITY, () => undefined);
    assert.equal(timers.nextDue, 0);
  });

  it('fire by due time, then in the order of their scheduling', async () => {
    const timers = new Timers();
    const fired: string[] = [];
    timers.schedule(7, 0, () => void fired.push('seven'));
    timers.schedule(5, 0, () => void fired.push('five'));
    timers.schedule(5, 0, () => void fired.push('five again'));
    await fire(timers, [40]);
    assert.deepEqual(fired, ['five', 'five again', 'seven']);
  });

  it('do not fire once cancelled, nor if the one before them cancelled them', async () => {
    const timers = new Timers();
    const fired: string[] = [];
    const cancels: (() => void)[] = [];
    timers.schedule(5, 0, () => {
      fired.push('first');
      for (const cancel of cancels) cancel();
    });
    cancels.push(timers.schedule(5, 0, () => void fired.push('second')));
    await fire(timers, [5, 10]);
    assert.deepEqual(fired, ['first', 'first']);
  });

  it('fire at the same times whether scheduled again in between or not, as after a restart', async () => {
    const rising = fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 2, maxLength: 20 }).map((steps) => {
      let now = 0;
      return steps.map((step) => (now += step));
    });
    await fc.assert(
      fc.asyncProperty(rising, fc.integer({ min: 1, max: 40 }), fc.nat(), async (times, every, cut) => {
        const at = 1 + (cut % (times.length - 1));
        const run = async (restart: boolean): Promise<number[]> => {
          const fired: number[] = [];
          const note = (now: number): void => void fired.push(now);
          const timers = new Timers();
          timers.schedule(every, Number.NEGATIVE_INFINITY, note);
          await fire(timers, times.slice(0, at));
          const later = restart ? new Timers() : timers;
          if (restart) later.schedule(every, times[at - 1] as number, note);
          await fire(later, times.slice(at));
          return fired;
        };
        assert.deepEqual(await run(true), await run(false));
      }),
    );
  });
});
