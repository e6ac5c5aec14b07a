import type { Observable } from 'rxjs';
import type { StreamRecord } from '../../model/record.js';
import type { Windowed } from '../../model/window.js';
import type { Serde } from '../../serdes/serde.js';
import type { Folding } from '../common/folding.js';
import type { PolicyOptions } from '../contract/policy-options.js';
import type { AnyRecord } from '../contract/push.js';
import type { FactOf, KeyOf, NeedsStream, Table, ValueOf } from '../contract/types.js';
import { currentDeclaring } from '../declare/attach.js';
import { declareFold } from '../folds/fold.js';
import type { Windowing } from '../folds/windowing.js';

export interface CogroupOptions<K, A> extends PolicyOptions {
  /** The store that holds one aggregate per key. */
  readonly store: string;
  /** How keys are written in the store. Default: the key serde of the first stream. */
  readonly key?: Serde<K>;
  readonly value: Serde<A>;
  /** Makes the aggregate of a key that has none. */
  readonly initial: () => NoInfer<A>;
}

/** One aggregate per key and window. */
export interface WindowedCogroupOptions<K, A> extends CogroupOptions<K, A>, Windowing<K> {
  /** Merges two aggregates when a record joins two sessions. Required for session windows. */
  readonly merge?: (first: NoInfer<A>, second: NoInfer<A>) => NoInfer<A> | null;
}

/**
 * A stream of a cogroup, with the function that adds its records to the aggregate. Made by the `add` function
 * that {@link cogroup} passes to its second argument.
 */
export interface CogroupInput<K> {
  readonly stream: Observable<StreamRecord<K | null, unknown>>;
  // biome-ignore lint/suspicious/noExplicitAny: the function that makes it knows the types
  readonly add: (aggregate: any, record: StreamRecord<any, any>) => any;
}

/**
 * Takes a stream, and a function that returns a new aggregate containing one of its records; null deletes the
 * row.
 */
type Adding<A> = <K, V, R extends NeedsStream = FactOf<K, V>>(
  stream: Observable<R>,
  add: (aggregate: A, record: StreamRecord<NonNullable<KeyOf<R>>, NonNullable<ValueOf<R>>>) => A | null,
) => CogroupInput<NonNullable<KeyOf<R>>>;

/** The same for windows, where records without a value are added like others. */
type WindowedAdding<A> = <K, V, R extends NeedsStream = FactOf<K, V>>(
  stream: Observable<R>,
  add: (aggregate: A, record: StreamRecord<NonNullable<KeyOf<R>>, ValueOf<R>>) => A | null,
) => CogroupInput<NonNullable<KeyOf<R>>>;

/**
 * Folds the records of several streams into one table, each stream with its own function.
 *
 * The second argument is a function that receives `add` and returns the result of `add` for each stream. The
 * streams may carry values of different types, but their keys must have the same type. Each record of any
 * stream changes and emits the aggregate of its key. With `window` there is one aggregate per key and window,
 * with the same options as in {@link aggregate}. All streams share one stream time, so a window closes for
 * all of them at once. (In Kafka Streams each stream has its own time, so one stream may still change a
 * window that another has closed.)
 *
 * State: one row per key (and window) in `store`, with its changelog. All streams must be co-partitioned:
 * equal partition counts, checked at start (TOPIC_MISMATCH). After a key change each stream is repartitioned
 * separately, under a different name. Records of one key are folded in the order in which the task takes
 * them: by offset within a partition, by timestamp between streams. Null keys are dropped and counted
 * (`null-key`). Without windows, null values are dropped and counted too (`null-value`). Duplicates count
 * twice. Cost and memory: see {@link aggregate}. If a function throws, the `onError.process` policy applies
 * (PROCESS_FAILED), and the row stays as it was.
 *
 * ```ts
 * const spent = cogroup({ store: 'spent', value: serdes.double, initial: () => 0 }, (add) => [
 *   add(payments, (sum, payment) => sum + payment.value.amount),
 *   add(refunds, (sum, refund) => sum - refund.value.amount),
 * ]);
 * spent.pipe(to('spent', { key: serdes.string, value: serdes.double })); // payments of 5 and 3, then a refund of 4 → 5, 8, 4
 * ```
 *
 * Semantics: KGroupedStream#cogroup of Kafka Streams (KIP-150). If all streams are folded by the same
 * function, RxJS `merge` followed by {@link aggregate} gives the same result.
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
  // A fold with `adders` never calls `add`.
  const add: Folding<K, unknown, A>['add'] = (aggregate) => aggregate;
  return declareFold(
    'cogroup',
    { ...options, add, adders: all.map((input) => input.add) },
    all.map(({ stream }) => stream),
  );
}
