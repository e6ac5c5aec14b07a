import type { Observable } from 'rxjs';
import type { StreamRecord } from '../../model/record.js';
import type { Windowed } from '../../model/window.js';
import type { Serde } from '../../serdes/serde.js';
import type { AnyRecord } from '../push.js';
import type { FactRecord, Table } from '../types.js';
import type { Windowing } from '../windows/windowing.js';
import { currentDeclaring } from './attach.js';
import { declareFold } from './fold.js';
import type { Folding } from './folding.js';

export interface CogroupOptions<K, A> {
  /** The store that holds one aggregate a key. */
  readonly store: string;
  /** How keys are written in the store. Default: as those of the first stream are. */
  readonly key?: Serde<K>;
  readonly value: Serde<A>;
  /** The aggregate of a key that has none. */
  readonly initial: () => A;
}

/** An aggregate for each key and window. */
export interface WindowedCogroupOptions<K, A> extends CogroupOptions<K, A>, Windowing<K> {
  /** Two aggregates made one, where a record joins two sessions. Required for session windows. */
  readonly merge?: (first: A, second: A) => A | null;
}

/**
 * A stream of a cogroup, with what adds its records to the aggregate: made by the function that
 * {@link cogroup} gives.
 */
export interface CogroupInput<K> {
  readonly stream: Observable<StreamRecord<K | null, unknown>>;
  // biome-ignore lint/suspicious/noExplicitAny: the function that makes it knows the types
  readonly add: (aggregate: any, record: StreamRecord<any, any>) => any;
}

/**
 * Takes a stream, and a function that makes a new aggregate that contains one of its records; null deletes
 * the row.
 */
type Adding<A> = <K, V>(
  stream: Observable<FactRecord<K, V>>,
  add: (aggregate: A, record: StreamRecord<NonNullable<K>, NonNullable<V>>) => A | null,
) => CogroupInput<NonNullable<K>>;

/** The same for windows, where records without a value are records like others. */
type WindowedAdding<A> = <K, V>(
  stream: Observable<FactRecord<K, V>>,
  add: (aggregate: A, record: StreamRecord<NonNullable<K>, V>) => A | null,
) => CogroupInput<NonNullable<K>>;

/**
 * Folds the records of several streams into one table, each stream with a function of its own.
 *
 * The second argument is a function that is given `add`, and returns what `add` makes of each stream: the
 * streams may carry values of different types, and must have keys of the same. Whenever a record of any of
 * them arrives, the aggregate of its key is changed and emitted. With `window`, an aggregate for each key and
 * window, as in {@link aggregate}, with the same options; all streams share one stream time, so that a window
 * closes for all of them at once. (In Kafka Streams each has its own, and a window that was closed by one may
 * still be changed by another.)
 *
 * State: one row a key (and window) in `store`, with its changelog. All streams must be co-partitioned: equal
 * partition counts, checked at start (TOPIC_MISMATCH); behind a change of key, each is repartitioned on its
 * own, which needs names that differ. Records of one key are folded in the order in which the task takes
 * them: that of each partition, and among the streams that of timestamps. Null keys are dropped and counted
 * (`null-key`), and without windows null values, too (`null-value`). Duplicates count twice. Cost and memory
 * as of {@link aggregate}. A function that throws goes the way of `onError.process` (PROCESS_FAILED), and the
 * row stays as it was.
 *
 * ```ts
 * const spent = cogroup({ store: 'spent', value: serdes.double, initial: () => 0 }, (add) => [
 *   add(payments, (sum, payment) => sum + payment.value.amount),
 *   add(refunds, (sum, refund) => sum - refund.value.amount),
 * ]);
 * spent.pipe(to('spent', { key: serdes.string, value: serdes.double })); // payments of 5 and 3, then a refund of 4 → 5, 8, 4
 * ```
 *
 * Semantics: KGroupedStream#cogroup of Kafka Streams (KIP-150). Of streams that are folded alike, `merge` of
 * RxJS and {@link aggregate} make the same.
 */
export function cogroup<K, A>(
  options: WindowedCogroupOptions<K, A>,
  inputs: (add: WindowedAdding<A>) => readonly CogroupInput<K>[],
): Table<Windowed<K>, A>;
export function cogroup<K, A>(
  options: CogroupOptions<K, A>,
  inputs: (add: Adding<A>) => readonly CogroupInput<K>[],
): Table<K, A>;
export function cogroup<K, A>(
  options: CogroupOptions<K, A> | WindowedCogroupOptions<K, A>,
  inputs: (add: Adding<A>) => readonly CogroupInput<K>[],
): Observable<AnyRecord> {
  const all = inputs((stream, add) => ({ stream, add }) as CogroupInput<never>);
  const [first] = all;
  if (!first) {
    const advice = 'Return at least one: (add) => [add(stream, (aggregate, record) => …)].';
    currentDeclaring('cogroup').problem(`cogroup ${options.store}`, 'it has no streams', advice);
  }
  // Folds take `adders` where there are any, and `add` is not called.
  const add: Folding<K, unknown, A>['add'] = (aggregate) => aggregate;
  return declareFold(
    'cogroup',
    { ...options, add, adders: all.map((input) => input.add) },
    all.map(({ stream }) => stream),
  );
}
