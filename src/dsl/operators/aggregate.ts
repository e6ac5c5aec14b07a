import type { OperatorFunction } from 'rxjs';
import type { Change, StreamRecord } from '../../model/record.js';
import type { Windowed } from '../../model/window.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import type { Folding } from '../common/folding.js';
import type { PolicyOptions } from '../contract/policy-options.js';
import type { AnyRecord } from '../contract/push.js';
import type { KeyOf, ValueOf } from '../contract/types.js';
import { fold } from '../folds/fold.js';
import type { AnyWindowing, Windowing } from '../folds/windowing.js';
import type { SessionWindows, Windows } from '../windows/windows.js';

export interface AggregateOptions<K, V, A> extends PolicyOptions {
  /** The store that holds one aggregate per key. */
  readonly store: string;
  /** How keys are written in the store. Default: the input's key serde. */
  readonly key?: Serde<K>;
  /** The serde of the aggregate: the other functions take its type. */
  readonly value: Serde<A>;
  /** Makes the aggregate of a key that has none. */
  readonly initial: () => NoInfer<A>;
  /**
   * Returns a new aggregate that contains the record; null deletes the row. Return a new object: the store
   * shares the old one.
   */
  readonly add: (aggregate: NoInfer<A>, record: StreamRecord<K, V>) => NoInfer<A> | null;
  /** For a grouped table, required there: returns a new aggregate without the row's old value. */
  readonly subtract?: (aggregate: NoInfer<A>, record: StreamRecord<K, V>) => NoInfer<A> | null;
}

/**
 * Folds the records of each key into one value. Each record emits that value as a change of a table.
 *
 * On a stream every record is added. On a table (usually after `groupBy`) a change subtracts the row's old
 * value and adds the new one. It does both in one step if both values belong to the same group.
 *
 * State: one row per key in `store`, and its changelog: one record per changed key and commit, however often
 * the key changed. Records with a null key or value are dropped and counted (`null-key`, `null-value`). Late
 * records are treated like others: the row's timestamp is the highest it has seen. Duplicates count twice:
 * put {@link dedupe} before. Cost: one look-up and one write per record. The record cache bounds the memory.
 *
 * If a function throws, the `onError.process` policy applies (PROCESS_FAILED), and the row stays as it was.
 * On a table the old value is still taken out. A row for which `add` or `subtract` throws is in no aggregate,
 * so whether they throw must depend on the row alone. To find out for an old value, the fold calls both
 * functions for each change where the policy may continue (`skip`, `deadLetter`).
 *
 * With `window` there is one aggregate per key and window. For the cost of a record and the rule for lateness
 * see {@link tumbling}, {@link hopping}, {@link sliding}, {@link session}. Windows add null values like
 * others, except that sliding windows drop them.
 *
 * ```ts
 * payments.pipe(
 *   aggregate({ store: 'totals', value: serdes.double, initial: () => 0, add: (total, record) => total + record.value.amount }),
 * ); // amounts 3, 4 of one key → 3, 7
 * ```
 *
 * Semantics: KStream#groupByKey().aggregate and KGroupedTable#aggregate of Kafka Streams. See also
 * {@link count}, {@link reduce}.
 */
export function aggregate<R extends AnyRecord, A>(
  options: SessionAggregateOptions<KeyOf<R>, ValueOf<R>, A> | WindowedAggregateOptions<KeyOf<R>, ValueOf<R>, A>,
): OperatorFunction<R, Change<Windowed<KeyOf<R>>, A>>;
export function aggregate<R extends AnyRecord, A>(
  options: AggregateOptions<KeyOf<R>, NonNullable<ValueOf<R>>, A>,
): OperatorFunction<R, Change<KeyOf<R>, A>>;
export function aggregate<R extends AnyRecord, A>(options: AnyFolding<R, A>): OperatorFunction<R, AnyRecord> {
  return fold('aggregate', options);
}

/** One aggregate per key and window. */
export interface WindowedAggregateOptions<K, V, A> extends Windowing<K, V>, PolicyOptions {
  readonly window: Exclude<Windows, SessionWindows>;
  /** The store that holds one aggregate per key and window. */
  readonly store: string;
  /** How keys are written in the store. Default: the input's key serde. */
  readonly key?: Serde<K>;
  readonly value: Serde<A>;
  /** Makes the aggregate of a window that has none. */
  readonly initial: () => NoInfer<A>;
  /**
   * Returns a new aggregate that contains the record; null empties the window. Records without a value are
   * added like others here.
   */
  readonly add: (aggregate: NoInfer<A>, record: StreamRecord<K, V>) => NoInfer<A> | null;
}

/** One aggregate per key and session. */
export interface SessionAggregateOptions<K, V, A> extends Omit<WindowedAggregateOptions<K, V, A>, 'window'> {
  readonly window: Windows;
  /**
   * Merges two aggregates. A record that falls into sessions starts from `initial()`, merges those sessions
   * in the order of their ends, and is then added: `add(merge(merge(initial(), first), second), record)`.
   * This also holds for a single session. If `merge` returns null, nothing is left, and the next step starts
   * from `initial()` again.
   */
  readonly merge: (first: NoInfer<A>, second: NoInfer<A>) => NoInfer<A> | null;
}

export interface CountOptions<K> extends PolicyOptions {
  readonly store: string;
  /** How keys are written in the store. Default: the input's key serde. */
  readonly key?: Serde<K>;
}

/**
 * Counts the records of each key. On a table after `groupBy` it counts the rows of each group. The count is
 * stored as an 8-byte integer, as in Kafka Streams.
 *
 * State, nulls, order and cost: see {@link aggregate}.
 *
 * ```ts
 * words.pipe(count({ store: 'counts' })); // "a", "a" → 1, 2
 * ```
 */
export function count<R extends AnyRecord>(
  options: CountOptions<KeyOf<R>> & Windowing<KeyOf<R>, ValueOf<R>>,
): OperatorFunction<R, Change<Windowed<KeyOf<R>>, number>>;
export function count<R extends AnyRecord>(
  options: CountOptions<KeyOf<R>>,
): OperatorFunction<R, Change<KeyOf<R>, number>>;
export function count<R extends AnyRecord>(
  options: CountOptions<KeyOf<R>> & AnyWindowing,
): OperatorFunction<R, AnyRecord> {
  return fold<R, number>('count', {
    ...options,
    value: serdes.int64,
    initial: () => 0,
    add: (total) => total + 1,
    subtract: (total) => total - 1,
    merge: (first, second) => first + second,
  });
}

export interface ReduceOptions<K, V> extends PolicyOptions {
  readonly store: string;
  /** How keys are written in the store. Default: the input's key serde. */
  readonly key?: Serde<K>;
  readonly value: Serde<V>;
  /**
   * Combines the current aggregate with a new value; null deletes the row. The first value of a key becomes
   * its aggregate unchanged.
   */
  readonly add: (aggregate: V, value: V) => V | null;
  /** For a grouped table, required there: returns the aggregate without a value that is no longer there. */
  readonly subtract?: (aggregate: V, value: V) => V | null;
}

/** One combined value per key and window: time windows, sliding windows or sessions. */
export interface WindowedReduceOptions<K, V> extends Windowing<K, V>, PolicyOptions {
  /** The store that holds one value per key and window. */
  readonly store: string;
  /** How keys are written in the store. Default: the input's key serde. */
  readonly key?: Serde<K>;
  readonly value: Serde<NonNullable<V>>;
  /**
   * Combines the current aggregate with a new value; null empties the window. The new value may be null if
   * the stream has null values. Also merges the aggregates of sessions that become one.
   */
  readonly add: (aggregate: NonNullable<V>, value: V) => NonNullable<V> | null;
}

/**
 * Combines the values of each key into one value of the same type.
 *
 * State, nulls, order and cost: see {@link aggregate}.
 *
 * ```ts
 * amounts.pipe(reduce({ store: 'highest', value: serdes.double, add: (a, b) => Math.max(a, b) })); // 3, 9, 4 → 3, 9, 9
 * ```
 */
export function reduce<R extends AnyRecord>(
  options: WindowedReduceOptions<KeyOf<R>, ValueOf<R>>,
): OperatorFunction<R, Change<Windowed<KeyOf<R>>, NonNullable<ValueOf<R>>>>;
export function reduce<R extends AnyRecord>(
  options: ReduceOptions<KeyOf<R>, NonNullable<ValueOf<R>>>,
): OperatorFunction<R, Change<KeyOf<R>, NonNullable<ValueOf<R>>>>;
export function reduce<R extends AnyRecord>(
  // biome-ignore lint/suspicious/noExplicitAny: both signatures at once
  { add, subtract, ...rest }: ReduceOptions<any, any> & AnyWindowing,
): OperatorFunction<R, AnyRecord> {
  return fold<R, NonNullable<ValueOf<R>>>('reduce', {
    ...rest,
    add: (current, record) => add(current, record.value),
    ...(subtract && { subtract: (current, record) => subtract(current, record.value) }),
    merge: add,
  });
}

// biome-ignore lint/suspicious/noExplicitAny: both signatures at once
type AnyFolding<R, A> = Folding<KeyOf<R>, any, A> & AnyWindowing;
