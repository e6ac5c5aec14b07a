import {
  animationFrameScheduler,
  asapScheduler,
  asyncScheduler,
  observable,
  queueScheduler,
  type SchedulerLike,
} from 'rxjs';
import { StreamsError } from '../model/errors.js';
import type { PushScope } from './processor.js';

/** Whether a record is on its way through plain operators, anywhere in this thread, and in whose scope. Pushes are synchronous, so this serves all tasks. */
let pushing = 0;
let scope: PushScope | undefined;

export const beginPush = (current: PushScope): void => {
  pushing++;
  scope = current;
};

export const endPush = (): void => {
  pushing--;
};

const GUARDED = Symbol.for('millrace.guarded');

/**
 * Makes RxJS refuse what would emit later while a record is pushed: the work that `delay` hands to a scheduler, and the promise or asynchronous iterator that `mergeMap` waits for. The application then fails on
 * the first such record, before anything of it is committed, and not when the work comes up. At all other times RxJS is as it was.
 *
 * Not reached are the schedulers of a user's own second copy of RxJS, and sources of the user's making (an Observable around `setTimeout`): there the emission is caught when it comes.
 */
export function guardAsync(): void {
  for (const scheduler of [asyncScheduler, asapScheduler, animationFrameScheduler, queueScheduler]) guard(scheduler);
  const asyncGenerator = Object.getPrototypeOf(async function* () {}).prototype as object;
  guardInput(Promise.prototype, 'a promise (mergeMap, concatMap, switchMap, from, defer, …)');
  guardInput(Object.getPrototypeOf(asyncGenerator), 'an asynchronous iterator (mergeMap, concatMap, from, …)');
}

function guard(scheduler: SchedulerLike & { [GUARDED]?: true }): void {
  if (scheduler[GUARDED]) return;
  scheduler[GUARDED] = true;
  const schedule = scheduler.schedule;
  const guarded = function (this: SchedulerLike, ...args: Parameters<typeof schedule>): ReturnType<typeof schedule> {
    // The queue scheduler without a delay runs its work at once.
    if (pushing > 0 && (scheduler !== queueScheduler || (args[1] ?? 0) > 0))
      throw putOff('an RxJS operator that uses a scheduler (delay, debounceTime, auditTime, bufferTime, interval, …)');
    return schedule.apply(this, args);
  };
  scheduler.schedule = guarded as typeof schedule;
}

/**
 * RxJS asks whatever it is to make an Observable of, before anything else, whether it is one of another library, by reading this property: nothing else reads it, so nothing else pays for the question.
 * (Promises cannot be told by their `then`: to replace that slows every `await` of the process.)
 */
function guardInput(prototype: object, kind: string): void {
  if (Object.hasOwn(prototype, observable)) return;
  Object.defineProperty(prototype, observable, {
    configurable: true,
    enumerable: false,
    get() {
      if (pushing > 0) throw putOff(`an RxJS operator that waits for ${kind}`);
      return undefined;
    },
  });
}

/** Told to the task as well as thrown: a `catchError` on the way would hide it. */
function putOff(saw: string): StreamsError {
  const error = new StreamsError('LATE_EMISSION', {
    what: 'an operator put work off to later',
    saw,
    expected: 'operators that emit synchronously',
    action: 'Use process() with an async function or a timer instead.',
  });
  scope?.fail(error);
  return error;
}
