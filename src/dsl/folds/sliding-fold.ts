import { type Windowed, WindowKey } from '../../model/window.js';
import { checkEncodes } from '../../serdes/check.js';
import { windowed } from '../../serdes/windowed.js';
import type { OperatorStore, Row, StoreSpec } from '../../state/contract.js';
import { added } from '../common/folding.js';
import type { Lookups, Processor } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { SlidingWindows } from '../windows/windows.js';
import { type Slid, slide } from './slide.js';
import { around, firstFrom, NO_SPANS, Span, type Spans, spanItems, spansSerde } from './spans.js';
import { type FoldKind, type FoldSetup, WindowResults } from './window-results.js';
import type { WindowedFolding } from './windowing.js';

/**
 * The store has one row per key and stretch of time, with the windows that start there, in the order of their
 * starts. The row lives for the retention from the end of the stretch.
 */
export function slidingFold<K, V, A>(folding: WindowedFolding<K, V, A>, windows: SlidingWindows): FoldKind<K, V, A> {
  const { store, key, value } = folding;
  const { differenceMs, retentionMs } = windows;
  const rows: StoreSpec<Windowed<K>, Spans<A>> = {
    name: store,
    kind: 'sliding',
    key: windowed(key),
    value: spansSerde(value),
    items: spanItems(value),
    ttlMs: retentionMs,
    bornAt: ({ end }) => end,
    shown: {
      key: windowed(key),
      value,
      bornAt: ({ start }: Windowed<K>) => start,
      rowOf: (window: Windowed<K>) => stretchAt(window.key, window.start, differenceMs),
      of: (stretch, spans, streamTime) =>
        spans
          .filter(({ start }) => start + retentionMs >= streamTime)
          .map((span) => ({
            key: new WindowKey(stretch.key, span.start, span.start + differenceMs),
            value: span.aggregate,
            timestamp: span.last,
          })),
    },
  };
  return { rows, create: (setup) => new SlidingFold(setup, windows) };
}

/**
 * The row that holds the sliding windows of a key that start at `start`: the stretch of time around it, twice
 * as long as a window. A record needs windows that start between 2 × difference before it and 1 ms after it.
 * That is as many moments as a stretch has, so they lie in one stretch or in two adjacent ones.
 */
function stretchAt<K>(key: K, start: number, differenceMs: number): WindowKey<K> {
  const lengthMs = 2 * (differenceMs + 1);
  const from = start - (start % lengthMs);
  return new WindowKey(key, from, from + lengthMs);
}

/** The result for a window that a record has written. */
interface Written<K, A> {
  readonly window: WindowKey<K>;
  readonly next: A | null;
  readonly previous: A | null;
  readonly last: number;
}

/**
 * Folds each record into the sliding windows of its key that contain it, and creates new ones. The windows
 * that start within a stretch of time lie in one row, in the order of their starts. So a record costs one or
 * two look-ups and writes, all known from its timestamp.
 *
 * A row lives until the end of its stretch is past the retention, which is at least 2 × difference + grace.
 * Nothing is lost: when a row expires, its windows end before closed − difference, where `closed` is the last
 * closed end. A record that is not late is later than that, so these windows do not contain it. Any window
 * that begins where they end is closed too.
 */
class SlidingFold<K, V, A> implements Processor {
  readonly #setup: FoldSetup<K, V, A>;
  readonly #store: OperatorStore<WindowKey<K>, Spans<A>>;
  readonly #differenceMs: number;
  readonly #results: WindowResults<K, V, A>;

  constructor(setup: FoldSetup<K, V, A>, { differenceMs }: SlidingWindows) {
    const store = setup.context.store<WindowKey<K>, Spans<A>>(setup.folding.store);
    this.#setup = setup;
    this.#store = store;
    this.#differenceMs = differenceMs;
    this.#results = new WindowResults(setup, store, {
      load: (closed) => store.loadAll(closed.map(({ key, start }) => stretchAt(key, start, differenceMs))),
      row: (window) => this.#row(window),
    });
  }

  start(): Promise<void> {
    return this.#results.start();
  }

  prepare({ key, value, timestamp }: AnyRecord, _port: number, lookups: Lookups): readonly WindowKey<K>[] {
    if (key === null || value === null) return [];
    const first = stretchAt<K>(key, Math.max(0, timestamp - 2 * this.#differenceMs), this.#differenceMs);
    const stretches = timestamp + 1 < first.end ? [first] : [first, stretchAt<K>(key, first.end, this.#differenceMs)];
    for (const stretch of stretches) lookups.add(this.#store, stretch);
    return stretches;
  }

  process(record: AnyRecord, _port: number, prepared: unknown): void | Promise<void> {
    if (record.key === null) return this.#setup.context.drop('null-key');
    if (record.value === null) return this.#setup.context.drop('null-value');
    const stretches = prepared as readonly WindowKey<K>[];
    const closing = this.#results.advance(record.timestamp);
    if (closing) return closing.then(() => this.#fold(record, stretches));
    this.#fold(record, stretches);
  }

  #fold(record: AnyRecord, stretches: readonly WindowKey<K>[]): void {
    const { timestamp, headers } = record;
    // No window begins before the epoch.
    if (timestamp < 0) return this.#setup.context.drop('no-window');
    const closed = this.#results.closedUntil;
    if (timestamp + this.#differenceMs <= closed) return this.#results.late(record);

    const rows = stretches.map((stretch) => this.#store.get(stretch) ?? NO_SPANS);
    const windows = around(rows, timestamp - 2 * this.#differenceMs, timestamp + 1);
    const written: Written<K, A>[] = [];
    let holding = 0;
    let taken = 0;
    for (const slid of slide(windows, timestamp, this.#differenceMs)) {
      if (slid.folds) holding++;
      if (slid.start + this.#differenceMs <= closed) continue;
      if (slid.folds) taken++;
      written.push(this.#written(slid, record, written));
    }
    for (let i = 0; i < stretches.length; i++)
      this.#put(stretches[i] as WindowKey<K>, rows[i] as Spans<A>, written, timestamp);
    for (const { window, next, previous, last } of written)
      this.#results.changed(window, next, previous, last, headers);
    if (taken === 0) this.#results.late(record);
    else if (taken < holding) this.#results.partlyLate();
  }

  #written(
    { start, before, base, folds }: Slid<A>,
    record: AnyRecord,
    earlier: readonly Written<K, A>[],
  ): Written<K, A> {
    const { folding } = this.#setup;
    const { key, timestamp } = record;
    const window = new WindowKey<K>(key, start, start + this.#differenceMs);
    const current = base === undefined ? null : base.aggregate;
    const next = folds ? added(folding, current, record) : current;
    // All or nothing: rows are written only after every window has passed this check.
    if (next !== null) checkEncodes(folding.value, next);
    const last = base === undefined ? timestamp : folds ? Math.max(base.last, timestamp) : base.last;
    // The window that ends with the record may begin right after the previous record. It is then written, and
    // emitted, twice.
    const previous = before ? current : (earlier.find((other) => other.window.start === start)?.next ?? null);
    return { window, next, previous, last };
  }

  /** Writes a row with its windows, if any of them has changed. */
  #put(stretch: WindowKey<K>, row: Spans<A>, written: readonly Written<K, A>[], timestamp: number): void {
    let changed: Span<A>[] | undefined;
    for (const { window, next, last } of written) {
      if (window.start < stretch.start || window.start >= stretch.end) continue;
      changed ??= [...row];
      const at = firstFrom(changed, window.start);
      const there = changed[at]?.start === window.start;
      if (next === null) changed.splice(at, there ? 1 : 0);
      else if (there) changed[at] = Span.of(window.start, last, next);
      else changed.splice(at, 0, Span.of(window.start, last, next));
    }
    if (changed) this.#store.put(stretch, changed.length > 0 ? changed : null, timestamp);
  }

  #row({ key, start }: WindowKey<K>): Row<A> | null {
    const row = this.#store.get(stretchAt(key, start, this.#differenceMs)) ?? NO_SPANS;
    const span = row[firstFrom(row, start)];
    return span?.start === start ? { value: span.aggregate, timestamp: span.last } : null;
  }
}
