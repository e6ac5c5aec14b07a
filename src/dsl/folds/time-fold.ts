import { type Windowed, WindowKey } from '../../model/window.js';
import { windowed } from '../../serdes/windowed.js';
import type { OperatorStore, Row } from '../../state/contract.js';
import { added } from '../common/folding.js';
import type { Lookups, Processor } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import { NO_WINDOW, type TimeWindows } from '../windows/windows.js';
import { type FoldKind, type FoldSetup, WindowResults } from './window-results.js';
import type { WindowedFolding } from './windowing.js';

/** The windows of a record, found in advance: a single window, or a list if there is not exactly one. */
type Prepared<K> = WindowKey<K> | readonly WindowKey<K>[];

/** The row of a window before and after a record. */
interface Written<A> {
  readonly row: Row<A> | null;
  readonly next: A | null;
  readonly timestamp: number;
}

/** The store has one row per key and window, which lives by the window's start. */
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

/** Folds each record into the windows that contain its timestamp: one look-up and one write per window. */
class TimeFold<K, V, A> implements Processor {
  readonly #setup: FoldSetup<K, V, A>;
  readonly #store: OperatorStore<Windowed<K>, A>;
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

  /**
   * The windows of the record. A single window is not put in a list: V8 may allocate lists that live for a
   * batch in its old generation, where they keep their elements until the next full collection.
   */
  prepare(record: AnyRecord, _port: number, lookups: Lookups): Prepared<K> {
    if (record.key === null) return NO_WINDOW;
    const keys = this.#windows.of(record.timestamp, record.key as K);
    for (const key of keys) lookups.add(this.#store, key);
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
    const open = keys.filter(({ end }) => end > closed);
    this.#updateAll(open, record);
    if (open.length === keys.length) {
      if (open.length === 0) this.#setup.context.drop('no-window');
    } else if (open.length === 0) this.#results.late(record);
    else this.#results.partlyLate();
  }

  /** All or nothing: if one window cannot take the record, the earlier ones are restored. */
  #updateAll(keys: readonly WindowKey<K>[], record: AnyRecord): void {
    const written: Written<A>[] = [];
    try {
      for (const key of keys) written.push(this.#write(key, record));
    } catch (error) {
      for (let i = 0; i < written.length; i++) {
        const { row, timestamp } = written[i] as Written<A>;
        this.#store.put(keys[i] as WindowKey<K>, row === null ? null : row.value, row?.timestamp ?? timestamp);
      }
      throw error;
    }
    for (let i = 0; i < keys.length; i++) this.#changed(keys[i] as WindowKey<K>, written[i] as Written<A>, record);
  }

  #update(key: WindowKey<K>, record: AnyRecord): void {
    this.#changed(key, this.#write(key, record), record);
  }

  #write(key: WindowKey<K>, record: AnyRecord): Written<A> {
    const row = this.#store.row(key);
    const next = added(this.#setup.folding, row === null ? null : row.value, record);
    const timestamp = row === null ? record.timestamp : Math.max(row.timestamp, record.timestamp);
    this.#store.put(key, next, timestamp);
    return { row, next, timestamp };
  }

  #changed(key: WindowKey<K>, { row, next, timestamp }: Written<A>, { headers }: AnyRecord): void {
    this.#results.changed(key, next, row === null ? null : row.value, timestamp, headers);
  }
}
