import { RowChange } from '../../model/record.js';
import { type Windowed, WindowKey } from '../../model/window.js';
import type { KeyValueStore } from '../../state/contract.js';
import { added, type Folding } from '../operators/folding.js';
import type { Processor, ProcessorContext, Reads } from '../processor.js';
import type { AnyRecord } from '../types.js';
import type { TimeWindows } from './windows.js';

/** Folds each record into the windows that its timestamp lies in: one look-up and one write for each. */
export class TimeFold<K, V, A> implements Processor {
  readonly #context: ProcessorContext;
  readonly #store: KeyValueStore<Windowed<K>, A>;
  readonly #folding: Folding<K, V, A>;
  readonly #windows: TimeWindows;

  constructor(
    context: ProcessorContext,
    store: KeyValueStore<Windowed<K>, A>,
    folding: Folding<K, V, A>,
    windows: TimeWindows,
  ) {
    this.#context = context;
    this.#store = store;
    this.#folding = folding;
    this.#windows = windows;
  }

  reads(record: AnyRecord, _port: number, reads: Reads): readonly WindowKey<K>[] {
    if (record.key === null) return [];
    const keys = this.#windows.of(record.timestamp).map(({ start, end }) => new WindowKey(record.key as K, start, end));
    for (const key of keys) reads.add(this.#store, key);
    return keys;
  }

  process(record: AnyRecord, _port: number, prepared: unknown): void {
    if (record.key === null) return this.#context.drop('null-key');
    this.#store.observe(record.timestamp);
    const closed = this.#store.streamTime - this.#windows.graceMs;
    for (const key of prepared as readonly WindowKey<K>[]) {
      if (key.end <= closed) this.#context.drop('late');
      else this.#update(key, record);
    }
  }

  #update(key: WindowKey<K>, record: AnyRecord): void {
    const row = this.#store.row(key);
    const previous = row === null ? null : row.value;
    const next = added(this.#folding, previous, record);
    const timestamp = row === null ? record.timestamp : Math.max(row.timestamp, record.timestamp);
    this.#store.put(key, next, timestamp);
    this.#context.emit(new RowChange(key, next, previous, timestamp, record.headers));
  }
}
