import { Observable, type Subscriber, Subscription } from 'rxjs';
import type { Consumer, PathMark } from './ambient.js';

/**
 * On observables that operators of this library made. Registered, since a topology may have been written with
 * another copy of it.
 */
export const OWN = Symbol.for('millrace.own.1');

export const isOwn = (observable: object): boolean => OWN in observable;

/** On the way stands an operator that is not of this library. The graph does not show it. */
const PLAIN: PathMark = { label: '', plain: true };

/** Whether what is subscribed to is part of an operator of this library, which may be made of plain ones. */
let within = false;

/**
 * An observable of this library: whatever its body is made of, it is one operator. `input`: what the body is
 * given in the place of its source, asked when it is subscribed to.
 */
export function ownObservable<I, O>(
  body: (source: Observable<I>) => Observable<O>,
  { input, around }: { readonly input: () => Observable<I>; readonly around: (subscribe: () => void) => void },
): Observable<O> {
  const own = new Observable<O>((subscriber) => {
    around(() => {
      const source = input();
      // Where the body ends, and what the user has piped into it begins.
      const edge = new Observable<I>((edged) => at(false, () => source.subscribe(edged)));
      at(true, () => body(edge).subscribe(subscriber));
    });
  });
  return Object.assign(own, { [OWN]: true });
}

function at<T>(inside: boolean, run: () => T): T {
  const before = within;
  within = inside;
  try {
    return run();
  } finally {
    within = before;
  }
}

/**
 * Subscribes to an observable while a node follows its input up; if it is no operator of this library, that
 * is noted on the way.
 */
export function subscribeNoted<T>(observable: object, consumer: Consumer, subscribe: () => T): T {
  if (within || isOwn(observable)) return subscribe();
  return noted(consumer, subscribe);
}

export function noted<T>(consumer: Consumer, subscribe: () => T): T {
  consumer.through(PLAIN);
  try {
    return subscribe();
  } finally {
    consumer.leave();
  }
}

/** Where plain operators take in what comes from operators of this library. */
export interface Inlet {
  /** What they would subscribe to. */
  source: Observable<unknown> | undefined;
  subscriber: Subscriber<unknown> | undefined;
}
let inlet: Inlet | undefined;

/**
 * Subscribes to plain operators alone: what stands before them is not subscribed to, but noted in the inlet.
 */
export function subscribeCutOff(open: Inlet, subscribe: () => Subscription): Subscription {
  const before = inlet;
  inlet = open;
  try {
    return at(false, subscribe);
  } finally {
    inlet = before;
  }
}

/** Whether what is subscribed to is cut off; then it is noted, and the subscription is one to nothing. */
export function cutOff(observable: Observable<unknown>, subscriber: unknown): Subscription | undefined {
  if (inlet === undefined || within || !isOwn(observable)) return undefined;
  inlet.source = observable;
  inlet.subscriber = subscriber as Subscriber<unknown>;
  return new Subscription();
}
