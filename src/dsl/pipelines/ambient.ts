/**
 * The context of a topology function while it runs: the declaration that collects nodes, and the input that
 * is being subscribed. It is kept on `globalThis` under a registered symbol, because operators of another
 * copy of this library (a user's own) must find it too.
 */
import type { Observable } from 'rxjs';
import type { ResolvedPolicy } from '../../model/policy/policy.js';
import type { AnySerde } from '../contract/processor.js';
import type { Windows } from '../windows/windows.js';

/** The public part of the declaration in progress. attach.ts has the full type. */
export interface Complaints {
  /** Records a problem of the topology, and what to write instead. */
  problem(where: string, what: string, advice: string): void;
  /** Missing in older copies of this library. */
  readonly ends?: Ends;
}

/** Receives how observables are derived from each other. */
export interface Ends {
  /** Called when `pipe` made an observable from another. */
  piped(from: Observable<unknown>, to: Observable<unknown>): void;
  /** Called when an observable was subscribed to or inspected: its records have a destination. */
  followed(observable: object): void;
}

/** A node that is subscribing to its input. It is notified of what the subscription meets on its way up. */
export interface Consumer {
  readonly node: string;
  /** The path passes one of our stateless operators. */
  through(mark: PathMark): void;
  /** The operator's own subscription is done; the path continues below it. */
  leave(): void;
  /** Plain operators on the path follow a table: their results must be turned into rows. */
  readonly rows?: boolean;
  /**
   * Reports an error that makes the path unusable, whatever an operator on the path does with the error.
   * Missing in older copies of this library.
   */
  refuse?(error: Error): void;
  /** The path has reached a node that emits records. */
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
  /** The operator changes the key: a following keyed processor needs a repartition. */
  readonly rekey?: Rekey;
  /** The operator turns changes of a table into records of a stream. */
  readonly toStream?: boolean;
  /** The operator is not from this library, and the graph does not show it. */
  readonly plain?: boolean;
  /** The operator's own policy for records that fail in it. */
  readonly onError?: ResolvedPolicy | undefined;
}

/** The settings that a key change gives for a later repartition. */
export interface Rekey {
  readonly name?: string;
  readonly key?: AnySerde;
  readonly value?: AnySerde;
}

interface Ambient {
  declaring: Complaints | undefined;
  consumer: Consumer | undefined;
  /** How many records have been pushed into plain operators. */
  pushes: number;
  /** What an operator with a policy of its own has thrown last, and in which push: see own-errors.ts. */
  thrown: { readonly error: unknown; readonly policy: ResolvedPolicy; readonly push: number } | undefined;
}

const AMBIENT = Symbol.for('millrace.ambient.1');

export function ambient(): Ambient {
  const holder = globalThis as { [AMBIENT]?: Ambient };
  holder[AMBIENT] ??= { declaring: undefined, consumer: undefined, pushes: 0, thrown: undefined };
  return holder[AMBIENT];
}

export const declaring = (): Complaints | undefined => ambient().declaring;
export const subscribing = (): Consumer | undefined => ambient().consumer;

export const pushNumber = (): number => ambient().pushes;
export const countPush = (): void => void ambient().pushes++;

/** Runs a function inside a declaration, and restores the previous one afterwards. */
export function withDeclaring<T>(current: Complaints, run: () => T): T {
  const before = ambient().declaring;
  ambient().declaring = current;
  try {
    return run();
  } finally {
    ambient().declaring = before;
  }
}

/** Runs a function while a node subscribes. */
export function withConsumer<T>(consumer: Consumer, run: () => T): T {
  const before = ambient().consumer;
  ambient().consumer = consumer;
  try {
    return run();
  } finally {
    ambient().consumer = before;
  }
}
