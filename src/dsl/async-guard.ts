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
import { StreamsError } from '../model/errors.js';
import { declaring, subscribing } from './ambient.js';
import { cutOff, subscribeNoted } from './own-operators.js';
import type { PushScope } from './processor.js';

/**
 * Whether a record is on its way through plain operators, anywhere in this thread, and in whose scope. Pushes
 * are synchronous, so this serves all tasks.
 */
let pushing = 0;
let scope: PushScope | undefined;

export const beginPush = (current: PushScope): void => {
  pushing++;
  scope = current;
};

/** The policy has let the record that is pushed go: see {@link PushScope.givenUp}. */
export const isGivenUp = (): boolean => scope?.givenUp === true;

/** Tells the task of the record that is pushed that it cannot go on. */
export const failPush = (error: Error): void => scope?.fail(error);

export const endPush = (): void => {
  pushing--;
  if (pushing === 0 && open.length > 0) endOpen();
};

/** What was subscribed to for the record at hand and could emit when it is done. */
let open: Subscription[] = [];

function endOpen(): void {
  const left = open.filter((subscription) => !subscription.closed);
  open = [];
  if (left.length === 0) return;
  const saw =
    'an Observable that has not completed (new Observable, fromEvent, ajax, …), in mergeMap, switchMap or alike';
  scope?.fail(putOff(saw, 'Let it complete before it returns, or use process() with an async function.'));
  for (const subscription of left) subscription.unsubscribe();
}

const GUARDED = Symbol.for('millrace.guarded');
const PIPED = Symbol.for('millrace.piped');

/**
 * Makes RxJS refuse what would emit later. While a record is pushed: the work that `delay` hands to a
 * scheduler, and the promise or asynchronous iterator that `mergeMap` waits for, any Observable that is not
 * complete when the record is done. The application then fails on the first such record, before anything of
 * it is committed, and not when the work comes up. While a node subscribes to its input: what goes by the
 * clock from then on (`bufferTime`, `sampleTime`, `timeout`, `merge` with a `timer`), and in which records
 * would wait while their offsets are committed; the topology is then not valid. At all other times RxJS is as
 * it was.
 *
 * Not reached are a user's own second copy of RxJS, and subjects that somebody else feeds: there the emission
 * is caught when it comes.
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
 * RxJS asks whatever it is to make an Observable of, before anything else, whether it is one of another
 * library, by reading this property: nothing else reads it, so nothing else pays for the question. (Promises
 * cannot be told by their `then`: to replace that slows every `await` of the process.)
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

/** The call of `subscribe` that is being answered. */
interface Answer {
  /**
   * It has led to another subscription, which has not ended: whether that may emit later is asked of that
   * one.
   */
  waits: boolean;
}
let answer: Answer | undefined;
/** Somebody subscribes by hand, for what lies beside the stream: nothing comes back into it. */
const BESIDE: Answer = { waits: true };

/**
 * What emits later is an Observable that is not complete when the record is done, and does not wait for
 * another one either (as `defer`, what was piped, and the groups of `groupBy` do). Subjects are left out:
 * those that RxJS itself makes for windows and groups emit only what is pushed, and nothing tells the others
 * from them.
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
      // What it emitted may have led to one that goes on, though it has ended itself: the parts of `concat`
      // are such.
      if (asked && (!subscription.closed || (mine.waits && mine !== BESIDE))) asked.waits = true;
      return subscription;
    } finally {
      answer = asked;
    }
  } as typeof prototype.subscribe;
}

/**
 * While a topology is declared, notes what is made of what, so that a pipeline that ends in nothing can be
 * run all the same.
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
 * Told to the task, or to the node that subscribes, as well as thrown: a `catchError` on the way would hide
 * it.
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
    what: node === undefined ? 'an operator put work off to later' : 'an operator would put work off to later',
    ...(node !== undefined && { at: `node ${node}` }),
    saw,
    expected: 'operators that emit synchronously',
    action,
  });
}
