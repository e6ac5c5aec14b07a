import { map as mapRecords, type OperatorFunction } from 'rxjs';
import { PlainRecord, type StreamRecord } from '../../model/record.js';
import { expand } from '../common/expand.js';
import type { FactOf, KeyOf, NeedsStream, ValueOf } from '../contract/types.js';
import { withMark } from '../declare/attach.js';
import { eachUnderPolicy, ownPolicy, underPolicy } from '../pipelines/own-errors.js';
import type { SelectKeyOptions } from './stateless.js';

/**
 * Replaces each record's key and value in one step; the function sees both old ones. Timestamp and headers
 * stay. Streams only.
 *
 * No state. The key may change: a following keyed operator reads from a repartition topic, as after
 * {@link selectKey}. The function also receives null keys and values. The order and number of records stay;
 * constant cost. If the function throws, the `onError.process` policy applies (PROCESS_FAILED). This is not
 * the `map` of RxJS, which may return anything for a record but must keep its key.
 *
 * ```ts
 * payments.pipe(map(({ value }) => [value.account, value.amount], { key: serdes.string, name: 'by-account' })); // p1: { account: 'a', amount: 7 } → a: 7
 * ```
 *
 * Semantics: KStream#map of Kafka Streams. See also {@link selectKey}, {@link mapValues}, {@link flatMap}.
 */
export function map<K, V, K2, V2, R extends NeedsStream = FactOf<K, V>>(
  fn: (record: StreamRecord<KeyOf<R>, ValueOf<R>>) => readonly [key: K2, value: V2],
  options: SelectKeyOptions<K2, V2> = {},
): OperatorFunction<R, StreamRecord<K2, V2>> {
  const own = ownPolicy('map', options.onError);
  const apply = (record: R): StreamRecord<K2, V2> => {
    const [key, value] = fn(record);
    return new PlainRecord(key, value, record.timestamp, record.headers);
  };
  return withMark({ label: 'map', rekey: options, toStream: true, onError: own }, mapRecords(underPolicy(apply, own)));
}

/**
 * Replaces each record by any number of records, each with its own key and value. All have the original's
 * timestamp and headers. Streams only.
 *
 * No state. The results pass on one by one, in order, before the next record. A following keyed operator
 * reads from a repartition topic, as after {@link selectKey}. The function also receives null keys and
 * values. Cost: proportional to the records made. If the function throws, the `onError.process` policy
 * applies (PROCESS_FAILED), and the results already made for that record are taken back.
 *
 * ```ts
 * orders.pipe(
 *   flatMap(({ value }) => value.items.map((item) => [item, value.orderId] as const), { key: serdes.string, name: 'by-item' }),
 * ); // { orderId: 'o1', items: ['pen', 'ink'] } → pen: "o1", ink: "o1"
 * ```
 *
 * Semantics: KStream#flatMap of Kafka Streams. See also {@link flatMapValues}, {@link map}.
 */
export function flatMap<K, V, K2, V2, R extends NeedsStream = FactOf<K, V>>(
  fn: (record: StreamRecord<KeyOf<R>, ValueOf<R>>) => Iterable<readonly [key: K2, value: V2]>,
  options: SelectKeyOptions<K2, V2> = {},
): OperatorFunction<R, StreamRecord<K2, V2>> {
  const own = ownPolicy('flatMap', options.onError);
  const made = function* (record: R) {
    for (const [key, value] of fn(record)) yield new PlainRecord(key, value, record.timestamp, record.headers);
  };
  return withMark(
    { label: 'flatMap', rekey: options, toStream: true, onError: own },
    expand(eachUnderPolicy(made, own)),
  );
}
