import type { Observable, OperatorFunction } from 'rxjs';
import { type Change, isChange, RowChange } from '../../model/record.js';
import { serdes } from '../../serdes/serdes.js';
import type { KeyValueStore } from '../../state/contract.js';
import type { Processor, ProcessorContext, Reads } from '../processor.js';
import type { AnyRecord, KeyOf, ValueOf } from '../types.js';
import { windowedFold } from '../windows/windowed-fold.js';
import type { AnyWindowing } from '../windows/windowing.js';
import { currentDeclaring } from './attach.js';
import { byPort } from './by-port.js';
import { added, type Folding } from './folding.js';

/** Declares a fold: over all records of a key, or over those of each window. */
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
      'its input is a table, and it does not say how a row is taken out again',
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
      create: (context) => byPort(folding, (own) => new Fold(context, context.store(store), own)),
    },
    sources,
    store,
  );
}

class Fold<K, V, A> implements Processor {
  readonly #context: ProcessorContext;
  readonly #store: KeyValueStore<K, A>;
  readonly #folding: Folding<K, V, A>;

  constructor(context: ProcessorContext, store: KeyValueStore<K, A>, folding: Folding<K, V, A>) {
    this.#context = context;
    this.#store = store;
    this.#folding = folding;
  }

  reads(record: AnyRecord, _port: number, reads: Reads): void {
    if (record.key !== null) reads.add(this.#store, record.key);
  }

  process(record: AnyRecord): void {
    const change = isChange(record) ? record : undefined;
    if (change?.outOfOrder) return this.#context.drop('out-of-order');
    if (record.key === null) return this.#context.drop('null-key');
    if (record.value === null && (change?.previous ?? null) === null) return this.#context.drop('null-value');

    const row = this.#store.row(record.key);
    const previous = row === null ? null : row.value;
    let next = previous;
    if (change && change.previous !== null && next !== null) next = this.#subtracted(next, change);
    if (record.value !== null) next = added(this.#folding, next, record);
    const timestamp = row === null ? record.timestamp : Math.max(row.timestamp, record.timestamp);
    this.#store.put(record.key, next, timestamp);
    this.#context.emit(new RowChange(record.key, next, previous, timestamp, record.headers));
  }

  #subtracted(current: A, change: Change<unknown, unknown>): A | null {
    const record = {
      key: change.key as K,
      value: change.previous as V,
      timestamp: change.timestamp,
      headers: change.headers,
    };
    return this.#folding.subtract?.(current, record) ?? null;
  }
}
