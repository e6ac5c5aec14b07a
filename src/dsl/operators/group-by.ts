import { Observable, type OperatorFunction } from 'rxjs';
import type { ResolvedPolicy } from '../../model/policy/policy.js';
import { isChange, PlainRecord, RowChange, type StreamRecord } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import { sameKey } from '../common/ids.js';
import { type PolicyOptions, whenGiven } from '../contract/policy-options.js';
import type { AnySerde } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { KeyOf, ValueOf, WithKey } from '../contract/types.js';
import { currentDeclaring, withMark } from '../declare/attach.js';
import { noteThrown, ownPolicy } from '../pipelines/own-errors.js';
import { rowOrNone, rowOrThrow } from '../pipelines/row-function.js';

export interface GroupByOptions<K, V> extends PolicyOptions {
  /** How the new key is written. */
  readonly key: Serde<K>;
  /** How the value is written to the repartition topic. Default: JSON. */
  readonly value?: Serde<V>;
  /** The name of the repartition topic: `<application>-<name>-repartition`. */
  readonly name: string;
  /** The number of partitions of that topic. Default: as many as the input has. */
  readonly partitions?: number;
}

/**
 * Groups records by another key. It writes them to a repartition topic under the new key and reads them
 * again, so that all records of one group meet in one task.
 *
 * On a table each change takes the row out of its old group and puts it into its new one. If both groups are
 * the same, that is one record; otherwise the old group's record comes first. A following fold needs
 * `subtract`. Out-of-order changes of a versioned table are left out. If the function throws, the
 * `onError.process` policy applies (PROCESS_FAILED). If the policy continues, a row for which the function
 * throws is in no group.
 *
 * Creates the topic `<application>-<name>-repartition`; records already processed are purged from it. Order
 * is kept among records of one group that came from one partition. Records with a null new key are dropped
 * and counted (`null-key`). Headers and timestamps stay. No state.
 *
 * ```ts
 * payments.pipe(
 *   groupBy((record) => record.value.account, { key: serdes.string, name: 'by-account' }),
 *   count({ store: 'payments-per-account' }),
 * );
 * ```
 *
 * To change the key without grouping, use {@link selectKey}.
 */
export function groupBy<R extends AnyRecord, K2>(
  fn: (record: StreamRecord<KeyOf<R>, ValueOf<R>>) => K2,
  options: GroupByOptions<NonNullable<K2>, ValueOf<R>>,
): OperatorFunction<R, WithKey<R, NonNullable<K2>>> {
  const { key, value = serdes.json(), name, partitions } = options;
  const own = ownPolicy(`groupBy ${name}`, options.onError);
  const rekeyed = withMark({ label: 'groupBy', onError: own }, (source: Observable<R>) =>
    regrouped(source, fn, key, own),
  );
  return (source) =>
    currentDeclaring('groupBy').repartition(
      { name, key, value, ...(partitions === undefined ? {} : { partitions }), ...whenGiven(options) },
      rekeyed(source),
    ) as unknown as Observable<WithKey<R, NonNullable<K2>>>;
}

function regrouped<R extends AnyRecord, K2>(
  source: Observable<R>,
  fn: (record: StreamRecord<KeyOf<R>, ValueOf<R>>) => K2,
  key: AnySerde,
  own: ResolvedPolicy | undefined,
): Observable<AnyRecord> {
  const groupOf = ({ key: of, timestamp, headers }: AnyRecord, row: unknown): K2 | null =>
    fn(new PlainRecord(of as KeyOf<R>, row as ValueOf<R>, timestamp, headers));
  return new Observable((subscriber) =>
    source.subscribe({
      next(record) {
        try {
          if (!isChange(record)) {
            subscriber.next(new PlainRecord(fn(record), record.value, record.timestamp, record.headers));
            return;
          }
          const { value, previous, timestamp, headers } = record;
          // An out-of-order change leaves the row as it was, and so its group.
          if (record.outOfOrder) return;
          const before = previous === null ? null : rowOrNone(groupOf, record, previous);
          const after = value === null ? null : rowOrThrow(groupOf, record, value, own);
          if (before !== null && after !== null && sameKey(key, before, after)) {
            subscriber.next(new RowChange<unknown, unknown>(after, value, previous, timestamp, headers));
            return;
          }
          if (before !== null)
            subscriber.next(new RowChange<unknown, unknown>(before, null, previous, timestamp, headers));
          if (after !== null) subscriber.next(new RowChange<unknown, unknown>(after, value, null, timestamp, headers));
        } catch (error) {
          noteThrown(error, own);
          subscriber.error(error);
        }
      },
      error: (error) => subscriber.error(error),
      complete: () => subscriber.complete(),
    }),
  );
}

/**
 * Writes records to an internal topic and reads them again. Use it after a {@link selectKey} that several
 * operators share, or to change the number of partitions.
 *
 * Creates `<application>-<name>-repartition`. Records with a null key are dropped and counted (`null-key`).
 *
 * ```ts
 * const byAccount = payments.pipe(
 *   selectKey((record) => record.value.account),
 *   repartition({ name: 'by-account', key: serdes.string, value: serdes.json<Payment>() }),
 * );
 * ```
 */
export function repartition<R extends AnyRecord>(
  options: GroupByOptions<NonNullable<KeyOf<R>>, NonNullable<ValueOf<R>>>,
): OperatorFunction<R, WithKey<R, NonNullable<KeyOf<R>>>> {
  const { key, value = serdes.json(), name, partitions } = options;
  return (source) =>
    currentDeclaring('repartition').repartition(
      { name, key, value, ...(partitions === undefined ? {} : { partitions }), ...whenGiven(options) },
      source,
    ) as unknown as Observable<WithKey<R, NonNullable<KeyOf<R>>>>;
}
