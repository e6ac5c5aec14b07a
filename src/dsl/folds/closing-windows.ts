import { Headers } from '../../model/headers.js';
import { RowChange } from '../../model/record.js';
import { WindowKey } from '../../model/window.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import type { Row, StoreSpec } from '../../state/contract.js';
import { type Due, DueQueue, dueStore } from '../buffers/due-queue.js';
import type { ProcessorContext } from '../contract/processor.js';

/** Finds the contents of a window when it closes. A fold implements it. */
export interface WindowRows<K, A> {
  /** Reads what `row` needs for these windows. Returns a promise only if the disk is read. */
  load(windows: readonly WindowKey<K>[]): void | Promise<void>;
  /** The contents of the window and the timestamp to emit it with; null if it is empty. */
  row(window: WindowKey<K>): Row<A> | null;
  /**
   * For windows that grow: the current bounds of a window; null if nothing is left. Default: bounds are
   * fixed.
   */
  now?(window: WindowKey<K>): WindowKey<K> | null;
}

type Growth<K> = NonNullable<WindowRows<K, unknown>['now']>;

/** How many windows are read and emitted together when many close at once. */
const TOGETHER = 1_000;

/** The name of the store that lists the open windows. */
const closingStoreName = (store: string): string => `${store}-closing`;

/**
 * One row per open window. Its key is the window's end and key, which are unique together; its value is the
 * window's start. Rows lie in the order in which windows close, then in the order of keys.
 */
export const closingStore = <K>(store: string, key: Serde<K>): StoreSpec<Due<K>, number> =>
  dueStore(closingStoreName(store), key, serdes.int64);

/**
 * Windows that are emitted once, when they close: in the order of their ends, then of their starts, then of
 * the bytes of their keys.
 *
 * State: a small row per window that is open and not empty, written when it opens and deleted when it closes.
 * The contents of a window stay in the store of the fold and are read from there when it closes. Windows that
 * are not in the cache are read a thousand at a time.
 *
 * The row of a window that grows (a session) is not moved each time. The window is checked when its first
 * bounds would have closed, and then waits for its current bounds. That costs a look-up each time it could
 * have closed, instead of two writes per record.
 */
export class ClosingWindows<K, A> {
  readonly #context: ProcessorContext;
  readonly #queue: DueQueue<K, number>;
  readonly #rows: WindowRows<K, A>;
  readonly #key: Serde<K>;
  /** For windows that grow: the windows of the current end that were taken so far. */
  #together: WindowKey<K>[] = [];

  constructor(
    context: ProcessorContext,
    { store, key }: { readonly store: string; readonly key: Serde<K> },
    rows: WindowRows<K, A>,
  ) {
    this.#context = context;
    this.#queue = new DueQueue(context.store(closingStoreName(store)), key);
    this.#rows = rows;
    this.#key = key;
  }

  start(): Promise<void> {
    return this.#queue.start();
  }

  /** The end of the first open window, or a moment before it; positive infinity if none is open. */
  get next(): number {
    return this.#queue.next;
  }

  /** Notes that a window became empty, or is no longer empty. */
  changed(window: WindowKey<K>, isThere: boolean, wasThere: boolean, timestamp: number): void {
    // The queue may still have the row of a window that grew and was then emptied.
    if (isThere && this.#rows.now) this.#queue.replace(window.end, window.key, window.start, timestamp);
    else if (isThere && !wasThere) this.#queue.add(window.end, window.key, window.start, timestamp);
    else if (wasThere && !isThere) this.#queue.remove(window.end, window.key);
  }

  /** Emits the windows that end at `until` or before. Returns a promise only if something has to be read. */
  close(until: number): void | Promise<void> {
    const { now } = this.#rows;
    return now ? this.#closeGrowing(until, now) : this.#closeFixed(until);
  }

  /**
   * Fixed windows with the same end have the same start. So they are already in order, and can be taken in
   * batches of any size.
   */
  #closeFixed(until: number): void | Promise<void> {
    while (this.#queue.next <= until) {
      const closed: WindowKey<K>[] = [];
      const reading = this.#read(until, closed);
      if (reading)
        return reading.then(() => {
          this.#emit(closed);
          return this.#closeFixed(until);
        });
      this.#emit(closed);
    }
  }

  /**
   * Takes one end after the other. A window that has grown beyond this end waits again, at its new end. So
   * when the next end comes, all windows of this end are known. They start at different moments and are
   * sorted first. That takes memory for all windows that end in the same millisecond.
   */
  #closeGrowing(until: number, now: Growth<K>): void | Promise<void> {
    while (this.#queue.next <= until) {
      const end = this.#queue.next;
      const taken: WindowKey<K>[] = [];
      const reading = this.#read(end, taken);
      if (reading)
        return reading.then(() => {
          this.#closeAt(end, taken, now);
          return this.#closeGrowing(until, now);
        });
      this.#closeAt(end, taken, now);
    }
  }

  /** Takes the windows that are due and reads their rows. */
  #read(until: number, taken: WindowKey<K>[]): void | Promise<void> {
    const show = (key: K, start: number, end: number): void => void taken.push(new WindowKey(key, start, end));
    const taking = this.#queue.take(until, show, TOGETHER);
    return taking ? taking.then(() => this.#rows.load(taken)) : this.#rows.load(taken);
  }

  #closeAt(end: number, taken: readonly WindowKey<K>[], now: Growth<K>): void {
    for (const window of taken) {
      const grown = now(window);
      if (grown?.end === end) this.#together.push(grown);
      else if (grown) this.#queue.replace(grown.end, grown.key, grown.start, grown.end);
    }
    if (this.#queue.next === end) return;
    const together = this.#together;
    this.#together = [];
    this.#emit(together.length > 1 ? this.#inOrder(together) : together);
  }

  /** Sorts windows with the same end by start, then by the bytes of their keys. */
  #inOrder(windows: readonly WindowKey<K>[]): readonly WindowKey<K>[] {
    return windows
      .map((window) => ({ window, bytes: this.#key.encode(window.key) }))
      .sort((a, b) => a.window.start - b.window.start || a.bytes.compare(b.bytes))
      .map(({ window }) => window);
  }

  #emit(closed: readonly WindowKey<K>[]): void {
    for (const window of closed) {
      const row = this.#rows.row(window);
      // The record that closes a window mostly has another key, so its headers do not describe the window.
      if (row) this.#context.emit(new RowChange(window, row.value, null, row.timestamp, Headers.none));
    }
  }
}
