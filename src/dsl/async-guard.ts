import { animationFrameScheduler, asapScheduler, asyncScheduler, queueScheduler, type SchedulerLike } from 'rxjs';
import { StreamsError } from '../model/errors.js';

/** Whether a record is on its way through plain operators, anywhere in this thread. Pushes are synchronous, so one flag serves all tasks. */
let pushing = 0;

export const beginPush = (): void => {
  pushing++;
};

export const endPush = (): void => {
  pushing--;
};

const GUARDED = Symbol.for('millrace.guarded');

/**
 * Makes RxJS refuse to put work off while a record is pushed: an operator such as `delay` then fails on the first record, before anything of it is committed, and not when the
 * work comes up. Schedulers are left as they are at all other times. A user's own second copy of RxJS is not reached; there, and with promises, the emission is caught when it comes.
 */
export function guardSchedulers(): void {
  for (const scheduler of [asyncScheduler, asapScheduler, animationFrameScheduler, queueScheduler]) guard(scheduler);
}

function guard(scheduler: SchedulerLike & { [GUARDED]?: true }): void {
  if (scheduler[GUARDED]) return;
  scheduler[GUARDED] = true;
  const schedule = scheduler.schedule;
  const guarded = function (this: SchedulerLike, ...args: Parameters<typeof schedule>): ReturnType<typeof schedule> {
    // The queue scheduler without a delay runs its work at once.
    if (pushing > 0 && (scheduler !== queueScheduler || (args[1] ?? 0) > 0)) throw putOff();
    return schedule.apply(this, args);
  };
  scheduler.schedule = guarded as typeof schedule;
}

const putOff = (): StreamsError =>
  new StreamsError('LATE_EMISSION', {
    what: 'an operator put work off to later',
    saw: 'an RxJS operator that uses a scheduler (delay, debounceTime, auditTime, bufferTime, interval, …)',
    expected: 'operators that emit synchronously',
    action: 'Use process() with an async function or a timer instead.',
  });
