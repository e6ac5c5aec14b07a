import { map as mapRecords, type OperatorFunction } from 'rxjs';
import { PlainRecord, type StreamRecord } from '../../model/record.js';
import type { FactRecord } from '../types.js';
import { withMark } from './attach.js';
import { expand } from './expand.js';
import type { SelectKeyOptions } from './stateless.js';

/**
 * Replaces each record's key and value in one step; the function sees both as they were. Timestamp and
 * headers stay. Streams only.
 *
 * No state. The key may be another: a keyed operator behind it reads from a repartition topic, as behind
 * {@link selectKey}. Null keys and values are given to the function like any other. Order and number of
 * records stay; constant cost. A function that throws goes the way of `onError.process` (PROCESS_FAILED). Not
 * the `map` of RxJS, which makes anything of a record but must leave its key alone.
 *
 * ```ts
 * payments.pipe(map(({ value }) => [value.account, value.amount], { key: serdes.string, name: 'by-account' })); // p1: { account: 'a', amount: 7 } → a: 7
 * ```
 *
 * Semantics: KStream#map of Kafka Streams. See also {@link selectKey}, {@link mapValues}, {@link flatMap}.
 */
export function map<K, V, K2, V2>(
  fn: (record: StreamRecord<K, V>) => readonly [key: K2, value: V2],
  options: SelectKeyOptions<K2, V2> = {},
): OperatorFunction<FactRecord<K, V>, StreamRecord<K2, V2>> {
  return withMark(
    { label: 'map', rekey: options, toStream: true },
    mapRecords((record: FactRecord<K, V>) => {
      const [key, value] = fn(record);
      return new PlainRecord(key, value, record.timestamp, record.headers);
    }),
  );
}

/**
 * Replaces each record by any number of records, each with a key and a value of its own; all have its
 * timestamp and headers. Streams only.
 *
 * No state. The results run on one by one, in order, before the next record. A keyed operator behind it reads
 * from a repartition topic, as behind {@link selectKey}. Null keys and values are given to the function like
 * any other. Cost: that of the records made. A function that throws goes the way of `onError.process`
 * (PROCESS_FAILED): what it had made for that record before is taken back.
 *
 * ```ts
 * orders.pipe(
 *   flatMap(({ value }) => value.items.map((item) => [item, value.orderId] as const), { key: serdes.string, name: 'by-item' }),
 * ); // { orderId: 'o1', items: ['pen', 'ink'] } → pen: "o1", ink: "o1"
 * ```
 *
 * Semantics: KStream#flatMap of Kafka Streams. See also {@link flatMapValues}, {@link map}.
 */
export function flatMap<K, V, K2, V2>(
  fn: (record: StreamRecord<K, V>) => Iterable<readonly [key: K2, value: V2]>,
  options: SelectKeyOptions<K2, V2> = {},
): OperatorFunction<FactRecord<K, V>, StreamRecord<K2, V2>> {
  return withMark(
    { label: 'flatMap', rekey: options, toStream: true },
    expand(function* (record: FactRecord<K, V>) {
      for (const [key, value] of fn(record)) yield new PlainRecord(key, value, record.timestamp, record.headers);
    }),
  );
}
