import { Headers } from '../../model/headers.js';
import { RowChange } from '../../model/record.js';
import { WindowKey } from '../../model/window.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import type { Row, StoreSpec } from '../../state/contract.js';
import { type Due, DueQueue, dueStore } from '../buffers/due-queue.js';
import type { ProcessorContext } from '../processor.js';

/** How a fold finds what it keeps for a window: asked when windows close. */
export interface WindowRows<K, A> {
  /** Reads what `row` needs to answer for these windows. A promise only if the disk is read. */
  load(windows: readonly WindowKey<K>[]): void | Promise<void>;
  /** What the window holds and the timestamp it is emitted with; null: nothing. */
  row(window: WindowKey<K>): Row<A> | null;
  /**
   * Of windows that grow: what has become of one, by now; null: nothing is left. Default: windows stay what
   * they were.
   */
  now?(window: WindowKey<K>): WindowKey<K> | null;
}

type Growth<K> = NonNullable<WindowRows<K, unknown>['now']>;

/** How many windows are read and emitted together, when many close at once. */
const TOGETHER = 1_000;

/** Which windows are open is kept beside them, in a store of this name. */
const closingStoreName = (store: string): string => `${store}-closing`;

/**
 * Of each open window its end and key, which no two have in common, and its start as the value: they lie in
 * the order in which they close, then in that of keys.
 */
export const closingStore = <K>(store: string, key: Serde<K>): StoreSpec<Due<K>, number> =>
  dueStore(closingStoreName(store), key, serdes.int64);

/**
 * Windows that are emitted once, when they close: in the order of their ends, then of their starts, then of
 * the bytes of their keys.
 *
 * State: a small row for each window that is open and not empty, written when it opens and deleted when it
 * closes. What a window holds stays in the store of the fold, and is read from there when it closes: what the
 * cache does not have, a thousand windows a read.
 *
 * A window that grows (a session) is not put in another place each time: it is looked at when it would have
 * closed as it was first, and waits on from there. That costs a look-up for each time that it could have
 * closed, instead of two writes for each record.
 */
export class ClosingWindows<K, A> {
  readonly #context: ProcessorContext;
  readonly #queue: DueQueue<K, number>;
  readonly #rows: WindowRows<K, A>;
  readonly #key: Serde<K>;
  /** Of windows that grow: those of the end at hand that were taken so far. */
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

  /** Notes that a window became empty or is no longer so. */
  changed(window: WindowKey<K>, isThere: boolean, wasThere: boolean, timestamp: number): void {
    // What waits for a window that grew and was emptied is still there.
    if (isThere && this.#rows.now) this.#queue.replace(window.end, window.key, window.start, timestamp);
    else if (isThere && !wasThere) this.#queue.add(window.end, window.key, window.start, timestamp);
    else if (wasThere && !isThere) this.#queue.remove(window.end, window.key);
  }

  /** Emits what ends at `until` or before. A promise only if something has to be read. */
  close(until: number): void | Promise<void> {
    const { now } = this.#rows;
    return now ? this.#closeGrowing(until, now) : this.#closeFixed(until);
  }

  /**
   * Windows that end together begin together: they are in their order already, and as few as are wanted can
   * be taken at a time.
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
   * Takes one end after the other. Whoever has grown beyond it waits on, among those of its new end; so when
   * the next end comes, all of this one are known. They begin at different moments, and are put in order
   * first: that takes memory for as many windows as end in one millisecond.
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

  /** Takes what is due and reads its rows. */
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

  /** Of those that end together: by start, then by the bytes of their keys. */
  #inOrder(windows: readonly WindowKey<K>[]): readonly WindowKey<K>[] {
    return windows
      .map((window) => ({ window, bytes: this.#key.encode(window.key) }))
      .sort((a, b) => a.window.start - b.window.start || a.bytes.compare(b.bytes))
      .map(({ window }) => window);
  }

  #emit(closed: readonly WindowKey<K>[]): void {
    for (const window of closed) {
      const row = this.#rows.row(window);
      // The headers of whichever record closes it, mostly one of another key, say nothing of a window.
      if (row) this.#context.emit(new RowChange(window, row.value, null, row.timestamp, Headers.none));
    }
  }
}
