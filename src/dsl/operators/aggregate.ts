import type { OperatorFunction } from 'rxjs';
import { type Change, isChange, RowChange, type StreamRecord } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import type { KeyValueStore } from '../../state/contract.js';
import type { Processor, ProcessorContext, Reads } from '../processor.js';
import type { AnyRecord, KeyOf, Table, ValueOf } from '../types.js';
import { currentDeclaring } from './attach.js';

export interface AggregateOptions<K, V, A> {
  /** The store that holds one aggregate a key. */
  readonly store: string;
  /** How keys are written in the store. Default: as the input's keys are. */
  readonly key?: Serde<K>;
  readonly value: Serde<A>;
  /** The aggregate of a key that has none. */
  readonly initial: () => A;
  /** A new aggregate that contains the record; null deletes the row. Return a new object: the old one is shared with the store. */
  readonly add: (aggregate: A, record: StreamRecord<K, V>) => A | null;
  /** For a table that was grouped: a new aggregate without the row that was there before. Required there. */
  readonly subtract?: (aggregate: A, record: StreamRecord<K, V>) => A | null;
}

/**
 * Folds the records of each key into one value, and emits it as a change of a table whenever a record arrives.
 *
 * On a stream every record is added. On a table (usually behind `groupBy`) a change subtracts the row's old value and adds its new one: in one step if both belong to the same group.
 *
 * State: one row a key in `store`, and its changelog: one record a changed key and commit, however often the key changed. Records with a null key or value are dropped and counted (`null-key`,
 * `null-value`). Late records are nothing special: the row's timestamp is the highest it has seen. Duplicates count twice: put {@link dedupe} before. Cost: one look-up and one write a record; memory is
 * bounded by the record cache. A function that throws goes the way of `onError.process` (PROCESS_FAILED), and the row stays as it was.
 *
 * ```ts
 * payments.pipe(
 *   aggregate({ store: 'totals', value: serdes.double, initial: () => 0, add: (total, record) => total + record.value.amount }),
 * ); // amounts 3, 4 of one key → 3, 7
 * ```
 *
 * Semantics: KStream#groupByKey().aggregate and KGroupedTable#aggregate of Kafka Streams. See also {@link count}, {@link reduce}.
 */
export function aggregate<R extends AnyRecord, A>(
  options: AggregateOptions<KeyOf<R>, NonNullable<ValueOf<R>>, A>,
): OperatorFunction<R, Change<KeyOf<R>, A>> {
  return folding('aggregate', options);
}

export interface CountOptions<K> {
  readonly store: string;
  /** How keys are written in the store. Default: as the input's keys are. */
  readonly key?: Serde<K>;
}

/**
 * Counts the records of each key (the rows of each group, behind `groupBy` on a table). The count is kept as an 8-byte integer, as in Kafka Streams.
 *
 * State, nulls, order and cost are those of {@link aggregate}.
 *
 * ```ts
 * words.pipe(count({ store: 'counts' })); // "a", "a" → 1, 2
 * ```
 */
export function count<R extends AnyRecord>(
  options: CountOptions<KeyOf<R>>,
): OperatorFunction<R, Change<KeyOf<R>, number>> {
  return folding<R, number>('count', {
    ...options,
    value: serdes.int64,
    initial: () => 0,
    add: (total) => total + 1,
    subtract: (total) => total - 1,
  });
}

export interface ReduceOptions<K, V> {
  readonly store: string;
  /** How keys are written in the store. Default: as the input's keys are. */
  readonly key?: Serde<K>;
  readonly value: Serde<V>;
  /** Combines the aggregate so far with a new value; null deletes the row. The first value of a key is its aggregate as it is. */
  readonly add: (aggregate: V, value: V) => V | null;
  /** For a table that was grouped: the aggregate without a value that is no longer there. Required there. */
  readonly subtract?: (aggregate: V, value: V) => V | null;
}

/**
 * Combines the values of each key into one of the same type.
 *
 * State, nulls, order and cost are those of {@link aggregate}.
 *
 * ```ts
 * amounts.pipe(reduce({ store: 'highest', value: serdes.double, add: (a, b) => Math.max(a, b) })); // 3, 9, 4 → 3, 9, 9
 * ```
 */
export function reduce<R extends AnyRecord>(
  options: ReduceOptions<KeyOf<R>, NonNullable<ValueOf<R>>>,
): OperatorFunction<R, Change<KeyOf<R>, NonNullable<ValueOf<R>>>> {
  const { add, subtract, ...rest } = options;
  return folding<R, NonNullable<ValueOf<R>>>('reduce', {
    ...rest,
    add: (current, record) => add(current, record.value),
    ...(subtract && { subtract: (current, record) => subtract(current, record.value) }),
  });
}

/** `initial` left out: the first value of a key is its aggregate. */
type Folding<K, V, A> = Omit<AggregateOptions<K, V, A>, 'initial'> & { readonly initial?: () => A };

function folding<R extends AnyRecord, A>(
  operator: string,
  options: Folding<KeyOf<R>, NonNullable<ValueOf<R>>, A>,
): OperatorFunction<R, Change<KeyOf<R>, A>> {
  const { store, value } = options;
  return (source) => {
    const current = currentDeclaring(operator);
    const inspection = current.inspect(source);
    const key = options.key ?? inspection.key;
    if (!options.subtract && inspection.table) {
      current.problem(
        `${operator} ${store}`,
        'its input is a table, and it does not say how a row is taken out again',
        'Give it subtract, or turn the table into a stream with toStream().',
      );
    }
    return current.processor(
      {
        operator,
        name: store,
        stores: [{ name: store, kind: 'keyValue', key, value }],
        keyed: true,
        create: (context) => new Fold<KeyOf<R>, NonNullable<ValueOf<R>>, A>(context, context.store(store), options),
      },
      [source],
      store,
    ) as unknown as Table<KeyOf<R>, A>;
  };
}

class Fold<K, V, A> implements Processor {
  readonly #context: ProcessorContext;
  readonly #store: KeyValueStore<K, A>;
  readonly #options: Folding<K, V, A>;

  constructor(context: ProcessorContext, store: KeyValueStore<K, A>, options: Folding<K, V, A>) {
    this.#context = context;
    this.#store = store;
    this.#options = options;
  }

  reads(record: AnyRecord, _port: number, reads: Reads): void {
    if (record.key !== null) reads.add(this.#store, record.key);
  }

  process(record: AnyRecord): void {
    const change = isChange(record) ? record : undefined;
    if (record.key === null) return this.#context.drop('null-key');
    if (record.value === null && (change?.previous ?? null) === null) return this.#context.drop('null-value');

    const row = this.#store.row(record.key);
    const previous = row === null ? null : row.value;
    let next = previous;
    if (change && change.previous !== null && next !== null) next = this.#subtract(next, change);
    if (record.value !== null) next = this.#add(next, record);
    const timestamp = row === null ? record.timestamp : Math.max(row.timestamp, record.timestamp);
    this.#store.put(record.key, next, timestamp);
    this.#context.emit(new RowChange(record.key, next, previous, timestamp, record.headers));
  }

  #add(current: A | null, record: AnyRecord): A | null {
    const { add, initial } = this.#options;
    if (current !== null) return add(current, record);
    // Without an initial value (reduce) the first value is the aggregate: there, A is V.
    return initial ? add(initial(), record) : record.value;
  }

  #subtract(current: A, change: Change<unknown, unknown>): A | null {
    const record = {
      key: change.key as K,
      value: change.previous as V,
      timestamp: change.timestamp,
      headers: change.headers,
    };
    return this.#options.subtract?.(current, record) ?? null;
  }
}
