/**
 * What surrounds the code of a topology function while it runs: the declaration that collects nodes, and the
 * input that is being subscribed. Kept on `globalThis` under a registered symbol, because operators of
 * another copy of this library (a user's own) must find them too.
 */
import type { Observable } from 'rxjs';
import type { AnySerde } from './processor.js';
import type { Windows } from './windows/windows.js';

/** The declaration that is being written, as far as everybody may know it; attach.ts knows the rest. */
export interface Complaints {
  /** Notes what is wrong with the topology, and what to write instead. */
  problem(where: string, what: string, advice: string): void;
  /** Left out by older copies of this library. */
  readonly ends?: Ends;
}

/** Told how observables follow from each other. */
export interface Ends {
  /** Something was made of an observable by `pipe`. */
  piped(from: Observable<unknown>, to: Observable<unknown>): void;
  /** An observable was subscribed to, or looked into: it leads somewhere. */
  followed(observable: object): void;
}

/** A node that is subscribing to its input: told what the subscription meets on its way up. */
export interface Consumer {
  readonly node: string;
  /** The way passes one of our operators without state. */
  through(mark: PathMark): void;
  /** The way back down: the operator's own subscription is done. */
  leave(): void;
  /** Plain operators on the way stand on a table: what they emit has to be made rows of. */
  readonly rows?: boolean;
  /**
   * What makes the way unusable, whatever an operator on it makes of the error. Left out by older copies of
   * this library.
   */
  refuse?(error: Error): void;
  /** The way ended where records come from. */
  reached(origin: {
    readonly node: string;
    readonly table: string | undefined;
    readonly key: AnySerde | undefined;
    readonly rekey: Rekey | undefined;
    readonly window: Windows | undefined;
  }): void;
}

export interface PathMark {
  readonly label: string;
  /** The operator changes the key: a keyed processor behind it needs a repartition. */
  readonly rekey?: Rekey;
  /** The operator turns changes of a table into records of a stream. */
  readonly toStream?: boolean;
  /** It is not of this library, and shown nowhere. */
  readonly plain?: boolean;
}

/** What a change of key says of the repartition that may follow. */
export interface Rekey {
  readonly name?: string;
  readonly key?: AnySerde;
  readonly value?: AnySerde;
}

interface Ambient {
  declaring: Complaints | undefined;
  consumer: Consumer | undefined;
}

const AMBIENT = Symbol.for('millrace.ambient.1');

function ambient(): Ambient {
  const holder = globalThis as { [AMBIENT]?: Ambient };
  holder[AMBIENT] ??= { declaring: undefined, consumer: undefined };
  return holder[AMBIENT];
}

export const declaring = (): Complaints | undefined => ambient().declaring;
export const subscribing = (): Consumer | undefined => ambient().consumer;

/** Runs a function with that declaration around it; what was around before is back afterwards. */
export function withDeclaring<T>(current: Complaints, run: () => T): T {
  const before = ambient().declaring;
  ambient().declaring = current;
  try {
    return run();
  } finally {
    ambient().declaring = before;
  }
}

/** Runs a function while that node subscribes. */
export function withConsumer<T>(consumer: Consumer, run: () => T): T {
  const before = ambient().consumer;
  ambient().consumer = consumer;
  try {
    return run();
  } finally {
    ambient().consumer = before;
  }
}
