import type { Observable, OperatorFunction } from 'rxjs';
import { noRow } from '../../model/no-row.js';
import { type Change, isChange, RowChange, type StreamRecord } from '../../model/record.js';
import { serdes } from '../../serdes/serdes.js';
import type { OperatorStore, Row } from '../../state/contract.js';
import { added, type Folding } from '../common/folding.js';
import { whenGiven } from '../contract/policy-options.js';
import type { Lookups, Processor, ProcessorContext } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { KeyOf, ValueOf } from '../contract/types.js';
import { currentDeclaring } from '../declare/attach.js';
import { byPort } from './by-port.js';
import { windowedFold } from './windowed-fold.js';
import type { AnyWindowing } from './windowing.js';

/** Declares a fold over all records of a key, or over the records of each window. */
export const fold =
  <R extends AnyRecord, A>(
    operator: string,
    folding: Folding<KeyOf<R>, NonNullable<ValueOf<R>>, A> & AnyWindowing,
  ): OperatorFunction<R, AnyRecord> =>
  (source) =>
    declareFold(operator, folding, [source]);

// biome-ignore lint/suspicious/noExplicitAny: keys, values and aggregates of any type; the operators' signatures know them
type AnyFolding = Folding<any, any, any> & AnyWindowing;

/** The same for any number of inputs. */
export function declareFold(
  operator: string,
  folding: AnyFolding,
  sources: readonly Observable<AnyRecord>[],
): Observable<AnyRecord> {
  const current = currentDeclaring(operator);
  const { store, value, window } = folding;
  if (window) return windowedFold(current, operator, { ...folding, window }, sources);
  const inspections = sources.map((source) => current.inspect(source));
  if (!folding.subtract && inspections.some(({ table }) => table)) {
    current.problem(
      `${operator} ${store}`,
      'its input is a table, and it has no function to subtract a row',
      folding.adders
        ? 'Turn the table into a stream with toStream().'
        : 'Give it subtract, or turn the table into a stream with toStream().',
    );
  }
  const key = folding.key ?? inspections[0]?.key ?? serdes.json();
  return current.processor(
    {
      operator,
      name: store,
      stores: [{ name: store, kind: 'keyValue', key, value }],
      keyed: true,
      ...whenGiven(folding),
      create: (context) => byPort(folding, (own) => new Fold(context, context.store(store), own)),
    },
    sources,
    store,
  );
}

class Fold<K, V, A> implements Processor {
  readonly #context: ProcessorContext;
  readonly #store: OperatorStore<K, A>;
  readonly #folding: Folding<K, V, A>;
  /**
   * True for a table if the policy may continue without a row. The fold then calls the functions again to
   * find out whether the aggregate contains a row.
   */
  readonly #tried: boolean;

  constructor(context: ProcessorContext, store: OperatorStore<K, A>, folding: Folding<K, V, A>) {
    this.#context = context;
    this.#store = store;
    this.#folding = folding;
    this.#tried = context.mayGiveUp && folding.subtract !== undefined;
  }

  prepare(record: AnyRecord, _port: number, lookups: Lookups): void {
    if (record.key !== null) lookups.add(this.#store, record.key);
  }

  process(record: AnyRecord): void {
    const change = isChange(record) ? record : undefined;
    if (change?.outOfOrder) return this.#context.drop('out-of-order');
    if (record.key === null) return this.#context.drop('null-key');
    if (record.value === null && (change?.previous ?? null) === null) return this.#context.drop('null-value');

    const row = this.#store.row(record.key);
    const previous = row === null ? null : row.value;
    const rest = change ? this.#without(previous, change) : previous;
    this.#write(record, row, record.value === null ? rest : this.#with(rest, record));
  }

  /** Handles a change with an unusable new value: the old value is still taken out. */
  giveUp(record: AnyRecord): void {
    const row = isChange(record) && record.previous !== null ? this.#store.row(record.key as K) : null;
    if (row === null) return;
    const rest = this.#without(row.value, record as Change<unknown, unknown>);
    if (rest !== row.value) this.#write(record, row, rest);
  }

  #write(record: AnyRecord, row: Row<A> | null, next: A | null): void {
    const timestamp = row === null ? record.timestamp : Math.max(row.timestamp, record.timestamp);
    this.#store.put(record.key, next, timestamp);
    this.#context.emit(new RowChange(record.key, next, row === null ? null : row.value, timestamp, record.headers));
  }

  /** Adds a record. A row that could be added but not subtracted would stay for ever, so it is not added. */
  #with(current: A | null, record: StreamRecord<K, V>): A | null {
    const sum = added(this.#folding, current, record);
    if (this.#tried && sum !== null && isChange(record)) {
      this.#checkAlone(record);
      this.#subtracted(sum, record);
    }
    return sum;
  }

  #without(current: A | null, change: Change<unknown, unknown>): A | null {
    if (current === null || change.previous === null) return current;
    const record = {
      key: change.key as K,
      value: change.previous as V,
      timestamp: change.timestamp,
      headers: change.headers,
    };
    if (!this.#tried) return this.#subtracted(current, record);
    try {
      this.#checkAlone(record);
      const rest = this.#subtracted(current, record);
      const sum = added(this.#folding, rest, record);
      this.#store.check(sum);
      return rest;
    } catch (error) {
      // The old value was never added.
      return noRow(error) ?? current;
    }
  }

  /** Throws if the aggregate of this row alone cannot be made or encoded. Such a row is in no aggregate. */
  #checkAlone(record: StreamRecord<K, V>): void {
    const alone = added(this.#folding, null, record);
    this.#store.check(alone);
  }

  #subtracted(current: A, record: StreamRecord<K, V>): A | null {
    return this.#folding.subtract?.(current, record) ?? null;
  }
}
