import { type Windowed, WindowKey } from '../../model/window.js';
import { windowed } from '../../serdes/windowed.js';
import type { KeyValueStore } from '../../state/contract.js';
import { added } from '../operators/folding.js';
import type { Processor, Reads } from '../processor.js';
import type { AnyRecord } from '../types.js';
import { type FoldKind, type FoldSetup, WindowResults } from './window-results.js';
import type { WindowedFolding } from './windowing.js';
import { NO_WINDOW, type TimeWindows } from './windows.js';

/** What is known of a record before it is its turn: its window, or its windows if there is not one. */
type Prepared<K> = WindowKey<K> | readonly WindowKey<K>[];

/** One row a key and window, which lives by the window's start. */
export function timeFold<K, V, A>(folding: WindowedFolding<K, V, A>, windows: TimeWindows): FoldKind<K, V, A> {
  const { store, key, value } = folding;
  const life = Number.isFinite(windows.retentionMs) && {
    ttlMs: windows.retentionMs,
    bornAt: ({ start }: Windowed<K>) => start,
  };
  return {
    rows: { name: store, kind: 'window', key: windowed(key), value, ...life },
    create: (setup) => new TimeFold(setup, windows),
  };
}

/** Folds each record into the windows that its timestamp lies in: one look-up and one write for each. */
class TimeFold<K, V, A> implements Processor {
  readonly #setup: FoldSetup<K, V, A>;
  readonly #store: KeyValueStore<Windowed<K>, A>;
  readonly #windows: TimeWindows;
  readonly #results: WindowResults<K, V, A>;

  constructor(setup: FoldSetup<K, V, A>, windows: TimeWindows) {
    const store = setup.context.store<Windowed<K>, A>(setup.folding.store);
    this.#setup = setup;
    this.#store = store;
    this.#windows = windows;
    this.#results = new WindowResults(setup, store, {
      load: (closed) => store.loadAll(closed),
      row: (window) => store.row(window),
    });
  }

  start(): Promise<void> {
    return this.#results.start();
  }

  /** The windows of the record. One alone stands for itself: V8 may make lists that live for a batch in the old generation, where they keep what is in them until the next full collection. */
  reads(record: AnyRecord, _port: number, reads: Reads): Prepared<K> {
    if (record.key === null) return NO_WINDOW;
    const keys = this.#windows.of(record.timestamp, record.key as K);
    for (const key of keys) reads.add(this.#store, key);
    return keys.length === 1 ? (keys[0] as WindowKey<K>) : keys;
  }

  process(record: AnyRecord, _port: number, prepared: unknown): void | Promise<void> {
    if (record.key === null) return this.#setup.context.drop('null-key');
    const windows = prepared as Prepared<K>;
    const closing = this.#results.advance(record.timestamp);
    if (closing) return closing.then(() => this.#fold(record, windows));
    this.#fold(record, windows);
  }

  #fold(record: AnyRecord, windows: Prepared<K>): void {
    const closed = this.#results.closedUntil;
    if (windows instanceof WindowKey) {
      if (windows.end <= closed) this.#results.late(record);
      else this.#update(windows, record);
    } else this.#foldAll(record, windows, closed);
  }

  #foldAll(record: AnyRecord, keys: readonly WindowKey<K>[], closed: number): void {
    let open = 0;
    for (const key of keys) {
      if (key.end <= closed) continue;
      open++;
      this.#update(key, record);
    }
    if (open === keys.length) {
      if (open === 0) this.#setup.context.drop('no-window');
    } else if (open === 0) this.#results.late(record);
    else this.#results.partlyLate();
  }

  #update(key: WindowKey<K>, record: AnyRecord): void {
    const row = this.#store.row(key);
    const previous = row === null ? null : row.value;
    const next = added(this.#setup.folding, previous, record);
    const timestamp = row === null ? record.timestamp : Math.max(row.timestamp, record.timestamp);
    this.#store.put(key, next, timestamp);
    this.#results.changed(key, next, previous, timestamp, record.headers);
  }
}
