import type { OperatorFunction } from 'rxjs';
import type { Change, StreamRecord } from '../../model/record.js';
import type { Windowed } from '../../model/window.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import type { AnyRecord } from '../push.js';
import type { KeyOf, ValueOf } from '../types.js';
import type { AnyWindowing, Windowing } from '../windows/windowing.js';
import type { SessionWindows, Windows } from '../windows/windows.js';
import { fold } from './fold.js';
import type { Folding } from './folding.js';

export interface AggregateOptions<K, V, A> {
  /** The store that holds one aggregate a key. */
  readonly store: string;
  /** How keys are written in the store. Default: as the input's keys are. */
  readonly key?: Serde<K>;
  readonly value: Serde<A>;
  /** The aggregate of a key that has none. */
  readonly initial: () => A;
  /**
   * A new aggregate that contains the record; null deletes the row. Return a new object: the old one is
   * shared with the store.
   */
  readonly add: (aggregate: A, record: StreamRecord<K, V>) => A | null;
  /** For a table that was grouped: a new aggregate without the row that was there before. Required there. */
  readonly subtract?: (aggregate: A, record: StreamRecord<K, V>) => A | null;
}

/**
 * Folds the records of each key into one value, and emits it as a change of a table whenever a record
 * arrives.
 *
 * On a stream every record is added. On a table (usually behind `groupBy`) a change subtracts the row's old
 * value and adds its new one: in one step if both belong to the same group.
 *
 * State: one row a key in `store`, and its changelog: one record a changed key and commit, however often the
 * key changed. Records with a null key or value are dropped and counted (`null-key`, `null-value`). Late
 * records are nothing special: the row's timestamp is the highest it has seen. Duplicates count twice: put
 * {@link dedupe} before. Cost: one look-up and one write a record; memory is bounded by the record cache. A
 * function that throws goes the way of `onError.process` (PROCESS_FAILED), and the row stays as it was.
 * Behind a table the old value is then taken out all the same, and a row that `add` or `subtract` throws on
 * is in no aggregate: whether they do must follow from the row alone. To know it of an old value, both are
 * called for each change wherever the policy may go on (`skip`, `deadLetter`).
 *
 * With `window` there is an aggregate for each key and window: what a record costs and when it is late is
 * said where windows are made, see {@link tumbling}, {@link hopping}, {@link sliding}, {@link session}. Null
 * values are added like others then (sliding windows drop them).
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

/** An aggregate for each key and window. */
export interface WindowedAggregateOptions<K, V, A> extends Windowing<K, V> {
  readonly window: Exclude<Windows, SessionWindows>;
  /** The store that holds one aggregate a key and window. */
  readonly store: string;
  /** How keys are written in the store. Default: as the input's keys are. */
  readonly key?: Serde<K>;
  readonly value: Serde<A>;
  /** The aggregate of a window that has none. */
  readonly initial: () => A;
  /**
   * A new aggregate that contains the record; null empties the window. Records without a value are records
   * like others here.
   */
  readonly add: (aggregate: A, record: StreamRecord<K, V>) => A | null;
}

/** An aggregate for each key and session. */
export interface SessionAggregateOptions<K, V, A> extends Omit<WindowedAggregateOptions<K, V, A>, 'window'> {
  readonly window: Windows;
  /**
   * Two aggregates made one. A record that falls into sessions begins with `initial()`, merges them in the
   * order of their ends, and is added then: `add(merge(merge(initial(), first), second), record)`, also if
   * there is one session only. Null: nothing is left, and what follows begins anew.
   */
  readonly merge: (first: A, second: A) => A | null;
}

export interface CountOptions<K> {
  readonly store: string;
  /** How keys are written in the store. Default: as the input's keys are. */
  readonly key?: Serde<K>;
}

/**
 * Counts the records of each key (the rows of each group, behind `groupBy` on a table). The count is kept as
 * an 8-byte integer, as in Kafka Streams.
 *
 * State, nulls, order and cost are those of {@link aggregate}.
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

export interface ReduceOptions<K, V> {
  readonly store: string;
  /** How keys are written in the store. Default: as the input's keys are. */
  readonly key?: Serde<K>;
  readonly value: Serde<V>;
  /**
   * Combines the aggregate so far with a new value; null deletes the row. The first value of a key is its
   * aggregate as it is.
   */
  readonly add: (aggregate: V, value: V) => V | null;
  /** For a table that was grouped: the aggregate without a value that is no longer there. Required there. */
  readonly subtract?: (aggregate: V, value: V) => V | null;
}

/** A combined value for each key and window: time windows, sliding ones or sessions. */
export interface WindowedReduceOptions<K, V> extends Windowing<K, V> {
  /** The store that holds one value a key and window. */
  readonly store: string;
  /** How keys are written in the store. Default: as the input's keys are. */
  readonly key?: Serde<K>;
  readonly value: Serde<NonNullable<V>>;
  /**
   * Combines the aggregate so far with a new value, which may be null if the stream has such; null empties
   * the window. Joins the aggregates of sessions that become one, too.
   */
  readonly add: (aggregate: NonNullable<V>, value: V) => NonNullable<V> | null;
}

/**
 * Combines the values of each key into one of the same type.
 *
 * State, nulls, order and cost are those of {@link aggregate}.
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
