import { filter, type MonoTypeOperatorFunction, map, type Observable, type OperatorFunction, tap } from 'rxjs';
import { isChange, PlainRecord, rowChange, type StreamRecord } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import { expand } from '../common/expand.js';
import type { PolicyOptions } from '../contract/policy-options.js';
import type { AnyRecord } from '../contract/push.js';
import type { ChangeOf, FactOf, KeyOf, NeedsStream, NeedsTable, ValueOf, WithValue } from '../contract/types.js';
import { withMark } from '../declare/attach.js';
import { eachUnderPolicy, ownPolicy, underPolicy } from '../pipelines/own-errors.js';
import { rowOrNone, rowOrThrow } from '../pipelines/row-function.js';
import { derived } from '../tables/table-view.js';

/**
 * Replaces each value; the key, the timestamp and the headers stay.
 *
 * On a table the function receives the row before and after the change. It is not called for a deletion,
 * which stays one. No state, no copy of the key: constant cost. If the function throws, the `onError.process`
 * policy applies (PROCESS_FAILED). If the policy continues, a row for which the function throws is deleted
 * until its next value.
 *
 * ```ts
 * payments.pipe(mapValues((payment) => payment.amount)); // { amount: 7, … } → 7
 * ```
 *
 * See also {@link flatMapValues}, {@link filterValues}; to change the key, {@link selectKey}.
 */
export function mapValues<R extends AnyRecord, W>(
  fn: (value: ValueOf<R>, key: KeyOf<R>) => W,
  { onError }: PolicyOptions = {},
): OperatorFunction<R, WithValue<R, W>> {
  const own = ownPolicy('mapValues', onError);
  const apply = (record: AnyRecord): AnyRecord => {
    if (!isChange(record))
      return new PlainRecord(record.key, fn(record.value, record.key as KeyOf<R>), record.timestamp, record.headers);
    const key = record.key as KeyOf<R>;
    const value = record.value === null ? null : rowOrThrow(fn, record.value as ValueOf<R>, key, own);
    const previous = record.previous === null ? null : rowOrNone(fn, record.previous as ValueOf<R>, key);
    return rowChange<unknown, unknown>(key, value, previous, record, record.outOfOrder);
  };
  const operator = withMark({ label: 'mapValues', onError: own }, map(underPolicy(apply, own)));
  return derived(operator, fn as (value: unknown, key: unknown) => unknown) as unknown as OperatorFunction<
    R,
    WithValue<R, W>
  >;
}

/**
 * Replaces each value by any number of values, in order. All have the record's key, timestamp and headers.
 * Streams only.
 *
 * ```ts
 * lines.pipe(flatMapValues((line) => line.split(' '))); // "a b" → "a", "b"
 * ```
 */
export function flatMapValues<K, V, W, R extends NeedsStream = FactOf<K, V>>(
  fn: (value: ValueOf<R>, key: KeyOf<R>) => Iterable<W>,
  { onError }: PolicyOptions = {},
): OperatorFunction<R, StreamRecord<KeyOf<R>, W>> {
  const own = ownPolicy('flatMapValues', onError);
  const made = function* (record: R) {
    for (const value of fn(record.value, record.key))
      yield new PlainRecord<KeyOf<R>, W>(record.key, value, record.timestamp, record.headers);
  };
  return withMark({ label: 'flatMapValues', toStream: true, onError: own }, expand(eachUnderPolicy(made, own)));
}

/**
 * Keeps the records with a value that passes the predicate.
 *
 * On a table, a row that no longer passes becomes a deletion, so that later operators remove it. A change
 * from no row to no row is not passed on. The exception is an out-of-order change of a versioned table,
 * because there may have been a row in between. The predicate is not called for deletions. If it throws, the
 * `onError.process` policy applies (PROCESS_FAILED). If the policy continues, the row does not pass.
 *
 * ```ts
 * payments.pipe(filterValues((payment) => payment.amount > 0));
 * orderEvents.pipe(filterValues((event): event is Placed => event.type === 'placed')); // its values are Placed
 * ```
 *
 * To several streams at once: {@link branch}.
 */
export function filterValues<R extends AnyRecord, W extends ValueOf<R>>(
  guard: (value: ValueOf<R>, key: KeyOf<R>) => value is W,
  options?: PolicyOptions,
): OperatorFunction<R, WithValue<R, W>>;
export function filterValues<R extends AnyRecord>(
  fn: (value: ValueOf<R>, key: KeyOf<R>) => boolean,
  options?: PolicyOptions,
): MonoTypeOperatorFunction<R>;
export function filterValues<R extends AnyRecord>(
  fn: (value: ValueOf<R>, key: KeyOf<R>) => boolean,
  { onError }: PolicyOptions = {},
): MonoTypeOperatorFunction<R> {
  const own = ownPolicy('filterValues', onError);
  const keep = (value: unknown, key: unknown): unknown =>
    value !== null && fn(value as ValueOf<R>, key as KeyOf<R>) ? value : null;
  const apply = (record: R): AnyRecord | undefined => {
    if (!isChange(record)) return fn(record.value, record.key) ? record : undefined;
    const value = rowOrThrow(keep, record.value as unknown, record.key as unknown, own);
    const previous = rowOrNone(keep, record.previous as unknown, record.key as unknown);
    if (value === null && previous === null && record.outOfOrder === undefined) return undefined;
    return rowChange<unknown, unknown>(record.key, value, previous, record, record.outOfOrder);
  };
  const operator = withMark({ label: 'filterValues', onError: own }, (source: Observable<R>) =>
    source.pipe(
      map(underPolicy(apply, own)),
      filter((record): record is R => record !== undefined),
    ),
  );
  return derived(operator, keep);
}

export interface SelectKeyOptions<K, V> extends PolicyOptions {
  /** How the new key is written if a keyed operator follows. Default: JSON. */
  readonly key?: Serde<K>;
  /** How the value is written if a keyed operator follows. Default: JSON. */
  readonly value?: Serde<V>;
  /**
   * Name of the repartition topic that a following keyed operator needs. Default: the name of that operator's
   * store.
   */
  readonly name?: string;
}

/**
 * Gives each record another key. Streams only.
 *
 * A following keyed operator (`count`, `joinTable`, `dedupe` by key, …) reads from the repartition topic
 * `<application>-<name>-repartition`. It is inserted automatically, so that records of one new key meet in
 * one task. Stateless operators and sinks need no repartition.
 *
 * ```ts
 * payments.pipe(selectKey((record) => record.value.account, { key: serdes.string, name: 'by-account' }));
 * ```
 */
export function selectKey<K, V, K2, R extends NeedsStream = FactOf<K, V>>(
  fn: (record: StreamRecord<KeyOf<R>, ValueOf<R>>) => K2,
  options: SelectKeyOptions<K2, ValueOf<R>> = {},
): OperatorFunction<R, StreamRecord<K2, ValueOf<R>>> {
  const own = ownPolicy('selectKey', options.onError);
  const apply = (record: R): StreamRecord<K2, ValueOf<R>> =>
    new PlainRecord(fn(record), record.value, record.timestamp, record.headers);
  return withMark({ label: 'selectKey', rekey: options, toStream: true, onError: own }, map(underPolicy(apply, own)));
}

/**
 * Calls a function for each record and passes the record on unchanged. Use it for inspection only: an
 * external effect would be repeated after a crash. It is called once, however many operators follow. It is
 * called again for a record that is retried, and for a change of a table that the policy gives up.
 */
export function peek<R extends AnyRecord>(
  fn: (record: R) => void,
  { onError }: PolicyOptions = {},
): MonoTypeOperatorFunction<R> {
  const own = ownPolicy('peek', onError);
  const look = (record: R): void => {
    // The outcome has no effect on a change: after an error it passes on if the policy continues.
    if (isChange(record)) rowOrThrow(() => fn(record), record, record.key, own);
    else fn(record);
  };
  return derived(withMark({ label: 'peek', onError: own }, tap(underPolicy(look, own))), (value) => value);
}

/**
 * Turns the changes of a table into records of a stream: each has the row's new value, null for a deletion.
 *
 * ```ts
 * balances.pipe(toStream(), filter((record) => record.value !== null));
 * ```
 */
export function toStream<K, V, R extends NeedsTable<'it is a stream already'> = ChangeOf<K, V>>(): OperatorFunction<
  R,
  StreamRecord<KeyOf<R>, ValueOf<R> | null>
> {
  return withMark(
    { label: 'toStream', toStream: true },
    map((change: R) => new PlainRecord(change.key, change.value, change.timestamp, change.headers)),
  );
}
