import type { Observable } from 'rxjs';
import type { PolicyOptions } from '../contract/policy-options.js';
import type { AnyRecord } from '../contract/push.js';
import type { KeyOf, ValueOf, WithValue } from '../contract/types.js';
import { filterValues } from './stateless.js';

/** Predicates or type guards, by the names of their branches. */
export type BranchGuards<R> = Readonly<Record<string, (value: ValueOf<R>, key: KeyOf<R>) => boolean>>;

/** The type that a guard proves. */
// biome-ignore lint/suspicious/noExplicitAny: only a parameter of any type accepts every guard
type Proved<G> = G extends (value: any, key: any) => value is infer W ? W : never;

/** The values that a guard lets through; of a plain predicate, all. */
type Guarded<R, G> = [Proved<G>] extends [never] ? ValueOf<R> : Proved<G> & ValueOf<R>;

/** The values that type guards take, so that none is left of them. */
type Taken<G> = { [Name in keyof G]: Proved<G[Name]> }[keyof G];

/** The branches by name, and the records that none of them takes. */
export type Branches<R extends AnyRecord, G> = {
  readonly [Name in keyof G]: Observable<WithValue<R, Guarded<R, G[Name]>>>;
} & { readonly rest: Observable<WithValue<R, Exclude<ValueOf<R>, Taken<G>>>> };

/**
 * Splits a stream or a table: each record goes to the first branch that takes its value by its predicate,
 * else to `rest`. Type guards give the branches the types of their values.
 *
 * On a table, a row that changes its branch is deleted in the old one, as {@link filterValues} does. No
 * state. Each branch that is used calls the predicates before its own, so they must depend on the value and
 * key alone.
 *
 * ```ts
 * const { placed, shipped, rest } = branch(orderEvents, {
 *   placed: (event): event is Placed => event.type === 'placed',
 *   shipped: (event): event is Shipped => event.type === 'shipped',
 * });
 * placed.pipe(mapValues((event) => event.total)); // only Placed has a total
 * ```
 *
 * Semantics: KStream#split and BranchedKStream of Kafka Streams.
 */
export function branch<R extends AnyRecord, G extends BranchGuards<R>>(
  source: Observable<R>,
  guards: G & { readonly rest?: never },
  options: PolicyOptions = {},
): Branches<R, G> {
  const names = Object.keys(guards);
  const predicates = Object.values(guards as BranchGuards<R>);
  const indexOf = (value: ValueOf<R>, key: KeyOf<R>): number =>
    predicates.findIndex((predicate) => predicate(value, key));
  const taken = (index: number) =>
    source.pipe(filterValues<R>((value: ValueOf<R>, key: KeyOf<R>) => indexOf(value, key) === index, options));
  const branches = new Map<string, Observable<R>>(names.map((name, index) => [name, taken(index)]));
  branches.set('rest', taken(-1));
  return Object.fromEntries(branches) as unknown as Branches<R, G>;
}
