import type { OperatorFunction } from 'rxjs';
import { StreamsError } from '../../model/errors.js';
import type { StreamRecord } from '../../model/record.js';
import { show } from '../../model/text/show.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import type { OperatorStore } from '../../state/contract.js';
import { type PolicyOptions, whenGiven } from '../contract/policy-options.js';
import type { Lookups, Processor, ProcessorContext } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { FactOf, KeyOf, NeedsStream, Stream, ValueOf } from '../contract/types.js';
import { currentDeclaring } from '../declare/attach.js';

export interface LatestByTimestampOptions<K, V> extends PolicyOptions {
  /** The store that holds the highest timestamp of each key. */
  readonly store: string;
  /** How keys are written in the store. Default: the input's key serde. */
  readonly key?: Serde<K>;
  /** When the fact became true, in milliseconds. Default: the record's timestamp. */
  readonly timestamp?: (record: StreamRecord<K, V>) => number;
  /** What happens to a record that is older than one already passed. Default: `drop`. */
  readonly older?: 'drop' | 'deadLetter';
}

/**
 * Last write wins: passes a record unless one with a higher timestamp has already passed for its key.
 *
 * With equal timestamps, the later arrival passes too. Older records are dropped and counted (`older`), or
 * sent to the dead letter topic. Null keys are dropped and counted (`null-key`). Null values are records like
 * any other.
 *
 * State: one 16-byte row per key in `store`, and its changelog. Cost: one look-up and at most one write per
 * record.
 *
 * ```ts
 * positions.pipe(latestByTimestamp({ store: 'latest', timestamp: (record) => record.value.measuredAt })); // at 1, 3, 2 → 1, 3
 * ```
 *
 * If the source numbers its versions, {@link reorderByVersion} loses nothing.
 */
export function latestByTimestamp<K, V, R extends NeedsStream = FactOf<K, V>>(
  options: LatestByTimestampOptions<KeyOf<R>, ValueOf<R>>,
): OperatorFunction<R, StreamRecord<KeyOf<R>, ValueOf<R>>> {
  const { store } = options;
  return (source) => {
    const current = currentDeclaring('latestByTimestamp');
    const key = options.key ?? current.inspect(source).key;
    return current.processor(
      {
        operator: 'latestByTimestamp',
        name: store,
        stores: [{ name: store, kind: 'keyValue', key, value: serdes.double }],
        keyed: true,
        ...whenGiven(options),
        create: (context) => new Latest<KeyOf<R>, ValueOf<R>>(context, context.store(store), options),
      },
      [source],
    ) as unknown as Stream<KeyOf<R>, ValueOf<R>>;
  };
}

class Latest<K, V> implements Processor {
  readonly #context: ProcessorContext;
  readonly #store: OperatorStore<K, number>;
  readonly #options: LatestByTimestampOptions<K, V>;

  constructor(context: ProcessorContext, store: OperatorStore<K, number>, options: LatestByTimestampOptions<K, V>) {
    this.#context = context;
    this.#store = store;
    this.#options = options;
  }

  prepare(record: AnyRecord, _port: number, lookups: Lookups): void {
    if (record.key !== null) lookups.add(this.#store, record.key);
  }

  process(record: AnyRecord): void {
    if (record.key === null) return this.#context.drop('null-key');
    const timestamp = this.#options.timestamp?.(record) ?? record.timestamp;
    if (!Number.isFinite(timestamp)) {
      throw new StreamsError('PROCESS_FAILED', {
        what: 'the timestamp of a record is not a number',
        at: `latestByTimestamp ${this.#options.store}`,
        saw: show(timestamp),
        action: 'Let timestamp return milliseconds since the epoch.',
      });
    }
    const latest = this.#store.get(record.key);
    if (latest !== null && timestamp < latest) {
      if (this.#options.older !== 'deadLetter') return this.#context.drop('older');
      this.#context.deadLetter(
        record,
        new Error(`timestamp ${timestamp} is older than ${latest}, which has already passed`),
      );
      return;
    }
    this.#store.put(record.key, timestamp);
    this.#context.emit(record);
  }
}
