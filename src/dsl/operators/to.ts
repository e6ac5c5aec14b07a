import type { MonoTypeOperatorFunction } from 'rxjs';
import type { Serde } from '../../serdes/serde.js';
import { type PolicyOptions, whenGiven } from '../contract/policy-options.js';
import type { Partitioner } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { KeyOf, ValueOf } from '../contract/types.js';
import { currentDeclaring } from '../declare/attach.js';

export interface ToOptions<R> extends PolicyOptions {
  readonly key: Serde<NonNullable<KeyOf<R>>>;
  readonly value: Serde<NonNullable<ValueOf<R>>>;
  /** The node's name in the graph. Default: the topic. Required if the topic is a function. */
  readonly name?: string;
  /**
   * The partition to write to, in [0, partitions). Default, and if it returns undefined: the hash of the key,
   * as in Kafka's own clients.
   */
  readonly partition?: (record: R, partitions: number) => number | undefined;
}

/**
 * Writes each record to a topic and passes it on, so that more operators may follow. A deletion in a table,
 * or a null value, is written as a tombstone.
 *
 * The topic must exist, or be created by the broker's rules; millrace does not change its configuration.
 * Records appear in the order of the records that caused them. Under exactly_once they appear with the
 * commit; under at_least_once they may appear again after a crash. A record without a key goes to the
 * partition of its task, modulo the number of partitions. If a key or value cannot be encoded, or the
 * partition is invalid, the `onError.produce` policy applies (SERIALIZE_FAILED, PARTITION_INVALID).
 *
 * ```ts
 * balances.pipe(to('balances', { key: serdes.string, value: serdes.json<Balance>() }));
 * payments.pipe(to((record) => `payments-${record.value.currency}`, { name: 'by-currency', key: serdes.string, value: serdes.json<Payment>() }));
 * ```
 */
export function to<R extends AnyRecord>(
  topic: string | ((record: R) => string),
  options: ToOptions<R>,
): MonoTypeOperatorFunction<R> {
  const { key, value, name, partition } = options;
  return (source) => {
    currentDeclaring('to').sink(
      {
        topic: topic as string | ((record: AnyRecord) => string),
        key,
        value,
        ...(name === undefined ? {} : { name }),
        ...(partition === undefined ? {} : { partition: partition as Partitioner }),
        ...whenGiven(options),
      },
      source,
    );
    return source;
  };
}
