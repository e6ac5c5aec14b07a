import type { OperatorFunction } from 'rxjs';
import { type Change, RowChange } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import type { KeyValueStore } from '../../state/contract.js';
import type { Processor, ProcessorContext } from '../processor.js';
import type { AnyRecord, FactRecord, Table } from '../types.js';
import { currentDeclaring } from './attach.js';

export interface ToTableOptions<K, V> {
  /** The store that holds the rows. */
  readonly store: string;
  /** How keys are written in the store. Default: as the input's keys are. */
  readonly key?: Serde<K>;
  readonly value: Serde<V>;
}

/**
 * Reads a stream as the changes of a table: each record replaces the row of its key, a null value deletes it.
 *
 * State: one row a key in `store`, with its changelog. Rows follow the order of arrival, whatever the timestamps. Null keys are dropped and counted (`null-key`). Every record is passed on, unchanged
 * values and repeated deletions included. Cost: one look-up and at most one write a record; no bound on the number of rows but the disk.
 *
 * ```ts
 * const latest = orders.pipe(toTable({ store: 'latest-order', key: serdes.string, value: serdes.json<Order>() }));
 * ```
 */
export function toTable<K, V>(options: ToTableOptions<K, V>): OperatorFunction<FactRecord<K, V | null>, Change<K, V>> {
  const { store, value } = options;
  return (source) => {
    const current = currentDeclaring('toTable');
    const key = options.key ?? current.inspect(source).key;
    return current.processor(
      {
        operator: 'table',
        name: store,
        stores: [{ name: store, kind: 'keyValue', key, value }],
        keyed: true,
        create: (context) => new TableWriter<K, V>(context, context.store(store)),
      },
      [source],
      store,
    ) as unknown as Table<K, V>;
  };
}

class TableWriter<K, V> implements Processor {
  readonly #context: ProcessorContext;
  readonly #store: KeyValueStore<K, V>;

  constructor(context: ProcessorContext, store: KeyValueStore<K, V>) {
    this.#context = context;
    this.#store = store;
  }

  reads(record: AnyRecord, _port: number, reads: Parameters<NonNullable<Processor['reads']>>[2]): void {
    if (record.key !== null) reads.add(this.#store, record.key);
  }

  process(record: AnyRecord): void {
    if (record.key === null) return this.#context.drop('null-key');
    const previous = this.#store.get(record.key);
    this.#store.put(record.key, record.value, record.timestamp);
    this.#context.emit(new RowChange(record.key, record.value, previous, record.timestamp, record.headers));
  }
}
