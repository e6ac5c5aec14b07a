import type { OperatorFunction } from 'rxjs';
import type { Duration } from '../../model/duration.js';
import { type Change, RowChange, rowChange } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import type { OperatorStore, OperatorVersionedStore } from '../../state/contract.js';
import { type PolicyOptions, whenGiven } from '../contract/policy-options.js';
import type { Lookups, Processor, ProcessorContext } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { FactOf, FactRecord, KeyOf, NeedsStream, Table } from '../contract/types.js';
import { currentDeclaring } from '../declare/attach.js';
import { withGrace } from '../declare/closings.js';
import { versionedStores } from '../tables/versions.js';

export interface ToTableOptions<K, V> extends PolicyOptions {
  /** The store that holds the rows. */
  readonly store: string;
  /** How keys are written in the store. Default: the input's key serde. */
  readonly key?: Serde<K>;
  readonly value: Serde<V>;
  /**
   * Makes the table versioned: how long past values of its rows can be looked up, in its own stream time.
   * Default: not at all.
   */
  readonly history?: Duration;
}

/**
 * Reads a stream as the changes of a table: each record replaces the row of its key, a null value deletes it.
 *
 * State: one row per key in `store`, with its changelog. Rows follow the order of arrival, whatever the
 * timestamps. Null keys are dropped and counted (`null-key`). Every record is passed on, including unchanged
 * values and repeated deletions. Cost: one look-up and at most one write per record. Only the disk limits the
 * number of rows.
 *
 * With `history` the table is *versioned*: a row follows the order of timestamps instead, and keeps its past
 * values for that long (see `t.table`).
 *
 * ```ts
 * const latest = orders.pipe(toTable({ store: 'latest-order', key: serdes.string, value: serdes.json<Order>() }));
 * ```
 */
export function toTable<K, V, R extends NeedsStream = FactOf<K, V | null>>(
  options: ToTableOptions<KeyOf<R>, V>,
): OperatorFunction<R & FactRecord<unknown, V | null>, Change<KeyOf<R>, V>> {
  const { store, value, history } = options;
  return (source) => {
    const current = currentDeclaring('toTable');
    const key = options.key ?? current.inspect(source).key;
    const stores =
      history === undefined
        ? [{ name: store, kind: 'keyValue', key, value } as const]
        : versionedStores(store, current.bound({ key, value }, 'store', store), history);
    const historyMs = stores[0]?.history?.ms;
    return current.processor(
      {
        operator: 'table',
        name: store,
        stores,
        keyed: true,
        ...whenGiven(options),
        // A record that comes later than the history is not stored.
        ...(historyMs !== undefined && { nextClosing: withGrace(historyMs, historyMs) }),
        create: (context) =>
          history === undefined
            ? new TableWriter<KeyOf<R>, V>(context, context.store(store))
            : new VersionWriter<KeyOf<R>, V>(context, context.store(store) as OperatorVersionedStore<KeyOf<R>, V>),
      },
      [source],
      store,
    ) as unknown as Table<KeyOf<R>, V>;
  };
}

class TableWriter<K, V> implements Processor {
  readonly #context: ProcessorContext;
  readonly #store: OperatorStore<K, V>;

  constructor(context: ProcessorContext, store: OperatorStore<K, V>) {
    this.#context = context;
    this.#store = store;
  }

  prepare(record: AnyRecord, _port: number, lookups: Lookups): void {
    if (record.key !== null) lookups.add(this.#store, record.key);
  }

  process(record: AnyRecord): void {
    if (record.key === null) return this.#context.drop('null-key');
    const previous = this.#store.get(record.key);
    this.#store.put(record.key, record.value, record.timestamp);
    this.#context.emit(new RowChange(record.key, record.value, previous, record.timestamp, record.headers));
  }
}

/** Writes a versioned table, which keeps the past of its rows. */
class VersionWriter<K, V> implements Processor {
  readonly #context: ProcessorContext;
  readonly #store: OperatorVersionedStore<K, V>;

  constructor(context: ProcessorContext, store: OperatorVersionedStore<K, V>) {
    this.#context = context;
    this.#store = store;
  }

  prepare(record: AnyRecord, _port: number, lookups: Lookups): void {
    if (record.key !== null) lookups.add(this.#store, record.key, record.timestamp);
  }

  process(record: AnyRecord): void | Promise<void> {
    if (record.key === null) return this.#context.drop('null-key');
    const pending = this.#store.prepare(record.key, record.timestamp);
    return pending ? pending.then(() => this.#write(record)) : this.#write(record);
  }

  #write(record: AnyRecord): void {
    const { key, value, timestamp } = record;
    const newest = this.#store.row(key);
    // Needed for an older moment, or for a row that is deleted now.
    const then = newest === null || timestamp < newest.timestamp ? this.#store.get(key, timestamp) : null;
    const place = this.#store.put(key, value, timestamp);
    if (place === 'expired') return this.#context.drop('expired');
    const outOfOrder = place === 'outOfOrder';
    if (outOfOrder) this.#context.count('out-of-order');
    const previous = outOfOrder ? then : newest === null ? null : newest.value;
    this.#context.emit(rowChange<K, V>(key, value, previous, record, outOfOrder));
  }
}
