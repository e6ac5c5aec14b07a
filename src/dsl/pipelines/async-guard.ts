import {
  AsyncSubject,
  animationFrameScheduler,
  asapScheduler,
  asyncScheduler,
  NEVER,
  Observable,
  observable,
  queueScheduler,
  type SchedulerLike,
  Subject,
  Subscriber,
  type Subscription,
} from 'rxjs';
import { StreamsError } from '../../model/errors.js';
import type { ResolvedPolicy } from '../../model/policy/policy.js';
import type { PushScope } from '../contract/processor.js';
import { countPush, declaring, subscribing } from './ambient.js';
import { cutOff, subscribeNoted } from './own-operators.js';

/**
 * The number of pushes through plain operators in progress in this thread, and the scope of the latest.
 * Pushes are synchronous, so one pair serves all tasks.
 */
let pushing = 0;
let scope: PushScope | undefined;

export const beginPush = (current: PushScope): void => {
  pushing++;
  countPush();
  scope = current;
};

/** Whether this policy has given up the current record: see {@link PushScope.givenUp}. */
export const isGivenUp = (own: ResolvedPolicy | undefined): boolean => scope?.givenUp?.has(own) === true;

/** Reports to the task of the current record that it cannot continue. */
export const failPush = (error: Error): void => scope?.fail(error);

export const endPush = (): void => {
  pushing--;
  if (pushing === 0 && open.length > 0) endOpen();
};

/** The subscriptions that the current record opened and that could emit after it is done. */
let open: Subscription[] = [];

function endOpen(): void {
  const left = open.filter((subscription) => !subscription.closed);
  open = [];
  if (left.length === 0) return;
  const saw =
    'an Observable that has not completed (new Observable, fromEvent, ajax, …), in mergeMap, switchMap or alike';
  scope?.fail(putOff(saw, 'Make the Observable complete synchronously, or use process() with an async function.'));
  for (const subscription of left) subscription.unsubscribe();
}

const GUARDED = Symbol.for('millrace.guarded');
const PIPED = Symbol.for('millrace.piped');

/**
 * Makes RxJS reject operators that would emit later.
 *
 * While a record is pushed, it rejects work that `delay` hands to a scheduler. It also rejects a promise or
 * async iterator that `mergeMap` waits for, and an Observable that is not complete when the record is done.
 * The application then fails on the first such record, before any of its results is committed, and not when
 * the work becomes due.
 *
 * While a node subscribes to its input, timed operators are rejected (`bufferTime`, `sampleTime`, `timeout`,
 * `merge` with a `timer`). Records would wait in them while their offsets are committed. The topology is then
 * invalid. At all other times RxJS is unchanged.
 *
 * A user's own second copy of RxJS, and subjects that other code feeds, are not covered. Their emission is
 * caught when it arrives.
 */
export function guardAsync(): void {
  for (const scheduler of [asyncScheduler, asapScheduler, animationFrameScheduler, queueScheduler]) guard(scheduler);
  const asyncGenerator = Object.getPrototypeOf(async function* () {}).prototype as object;
  guardInput(Promise.prototype, 'a promise (mergeMap, concatMap, switchMap, from, defer, …)');
  guardInput(Object.getPrototypeOf(asyncGenerator), 'an asynchronous iterator (mergeMap, concatMap, from, …)');
  guardSubscribe(Observable.prototype);
  guardPipe(Observable.prototype);
}

function guard(scheduler: SchedulerLike & { [GUARDED]?: true }): void {
  if (scheduler[GUARDED]) return;
  scheduler[GUARDED] = true;
  const schedule = scheduler.schedule;
  const guarded = function (this: SchedulerLike, ...args: Parameters<typeof schedule>): ReturnType<typeof schedule> {
    // The queue scheduler without a delay runs its work at once.
    if ((pushing > 0 || subscribing()) && (scheduler !== queueScheduler || (args[1] ?? 0) > 0))
      throw told('an RxJS operator that uses a scheduler (delay, debounceTime, auditTime, bufferTime, interval, …)');
    return schedule.apply(this, args);
  };
  scheduler.schedule = guarded as typeof schedule;
}

/**
 * RxJS reads this property first on any value that it converts to an Observable, to detect Observables of
 * other libraries. Nothing else reads it, so nothing else pays for the check. (A patch of `then` would detect
 * promises too, but would slow every `await` of the process.)
 */
function guardInput(prototype: object, kind: string): void {
  if (Object.hasOwn(prototype, observable)) return;
  Object.defineProperty(prototype, observable, {
    configurable: true,
    enumerable: false,
    get() {
      if (pushing > 0 || subscribing()) throw told(`an RxJS operator that waits for ${kind}`);
      return undefined;
    },
  });
}

/** A call of `subscribe` in progress. */
interface Answer {
  /**
   * It has led to another subscription that has not ended. The check for late emissions then applies to that
   * one.
   */
  waits: boolean;
}
let answer: Answer | undefined;
/** User code subscribes by hand to something outside the stream, and nothing comes back into the stream. */
const BESIDE: Answer = { waits: true };

/**
 * An Observable can emit later if it is not complete when the record is done and does not wait for another
 * Observable. (`defer`, piped observables and the groups of `groupBy` wait for another one.) Subjects are
 * excluded: RxJS itself makes subjects for windows and groups, which emit only pushed values, and they cannot
 * be distinguished from others.
 */
function guardSubscribe(prototype: Observable<unknown> & { [GUARDED]?: true }): void {
  if (prototype[GUARDED]) return;
  prototype[GUARDED] = true;
  const subscribe = prototype.subscribe as (...args: unknown[]) => Subscription;
  prototype.subscribe = function (this: Observable<unknown>, ...args: unknown[]): Subscription {
    const nothing = cutOff(this, args[0]);
    if (nothing) return nothing;
    if (pushing === 0) {
      declaring()?.ends?.followed(this);
      const consumer = subscribing();
      if (consumer) return subscribeNoted(this, consumer, () => subscribe.apply(this, args));
    }
    if (pushing === 0 || answer === BESIDE) return subscribe.apply(this, args);
    const asked = answer;
    const mine = args[0] instanceof Subscriber ? { waits: false } : BESIDE;
    answer = mine;
    try {
      const subscription = subscribe.apply(this, args);
      if (!subscription.closed && !mine.waits && !isPassive(this)) open.push(subscription);
      // A subscription that has ended may have led to one that continues: the parts of `concat` are an
      // example.
      if (asked && (!subscription.closed || (mine.waits && mine !== BESIDE))) asked.waits = true;
      return subscription;
    } finally {
      answer = asked;
    }
  } as typeof prototype.subscribe;
}

/**
 * While a topology is declared, notes which observable is made from which. This finds pipelines without an
 * end, so that they run nevertheless.
 */
function guardPipe(prototype: Observable<unknown> & { [PIPED]?: true }): void {
  if (prototype[PIPED]) return;
  prototype[PIPED] = true;
  const pipe = prototype.pipe as (...operators: unknown[]) => unknown;
  prototype.pipe = function (this: Observable<unknown>, ...operators: unknown[]): unknown {
    const made = pipe.apply(this, operators);
    if (pushing === 0 && made !== this && made instanceof Observable) declaring()?.ends?.piped(this, made);
    return made;
  } as typeof prototype.pipe;
}

const isPassive = (source: Observable<unknown>): boolean =>
  source === NEVER || (source instanceof Subject && !(source instanceof AsyncSubject));

/**
 * Reports the error to the task, or to the subscribing node, in addition to throwing it. A `catchError` on
 * the path would hide it otherwise.
 */
function told(saw: string): StreamsError {
  const consumer = pushing > 0 ? undefined : subscribing();
  const error = putOff(saw, 'Use process() with an async function or a timer instead.', consumer?.node);
  if (consumer) consumer.refuse?.(error);
  else scope?.fail(error);
  return error;
}

function putOff(saw: string, action: string, node?: string): StreamsError {
  return new StreamsError('LATE_EMISSION', {
    what: node === undefined ? 'an operator deferred work' : 'an operator would defer work',
    ...(node !== undefined && { at: `node ${node}` }),
    saw,
    expected: 'operators that emit synchronously',
    action,
  });
}
