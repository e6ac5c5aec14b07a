import { Observable, type Subscriber, Subscription } from 'rxjs';
import type { Consumer, PathMark } from './ambient.js';
import { Follower, SharedResults } from './shared-results.js';

/**
 * Marks observables that operators of this library made. It is a registered symbol, because a topology may
 * use another copy of the library.
 */
export const OWN = Symbol.for('millrace.own.1');

export const isOwn = (observable: object): boolean => OWN in observable;

/** Marks a path that contains an operator of another library. The graph does not show it. */
const PLAIN: PathMark = { label: '', plain: true };

/**
 * Whether the current subscription is inside an operator of this library, which may consist of plain ones.
 */
let within = false;

/**
 * An observable of this library. Whatever operators its body contains, it counts as one operator, and runs
 * once for a record, however many follow it. `input` returns the observable that replaces the source of the
 * body; it is called on subscription.
 */
export function ownObservable<I, O>(
  body: (source: Observable<I>) => Observable<O>,
  { input, around }: { readonly input: () => Observable<I>; readonly around: (subscribe: () => void) => void },
): Observable<O> {
  const shared = new SharedResults<I, O>((source, to) => at(true, () => body(source).subscribe(to)));
  const own = new Observable<O>((subscriber) => {
    around(() => {
      const source = input();
      // The boundary between the body and the user's pipeline above it.
      const edge = new Observable<I>((edged) =>
        at(false, () => source.subscribe(new Follower(edged, subscriber, shared))),
      );
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
 * Subscribes to an observable while a node follows its input up. If the observable is not from this library,
 * a mark on the path says so.
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

/** Where plain operators receive the output of operators of this library. */
export interface Inlet {
  /** The observable that they would subscribe to. */
  source: Observable<unknown> | undefined;
  subscriber: Subscriber<unknown> | undefined;
}
let inlet: Inlet | undefined;

/** Subscribes to plain operators alone. Their source is not subscribed to, but stored in the inlet. */
export function subscribeCutOff(open: Inlet, subscribe: () => Subscription): Subscription {
  const before = inlet;
  inlet = open;
  try {
    return at(false, subscribe);
  } finally {
    inlet = before;
  }
}

/**
 * Whether the subscription is cut off here. If so, the inlet stores the observable, and the result is an
 * empty subscription.
 */
export function cutOff(observable: Observable<unknown>, subscriber: unknown): Subscription | undefined {
  if (inlet === undefined || within || !isOwn(observable)) return undefined;
  inlet.source = observable;
  inlet.subscriber = subscriber as Subscriber<unknown>;
  return new Subscription();
}
