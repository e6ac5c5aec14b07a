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
  /** Of windows that grow: what has become of one, by now; null: nothing is left. Default: windows stay what they were. */
  now?(window: WindowKey<K>): WindowKey<K> | null;
}

/** How many windows are read and emitted together, when many close at once. */
const TOGETHER = 1_000;

/** Which windows are open is kept beside them, in a store of this name. */
const closingStoreName = (store: string): string => `${store}-closing`;

/** Of each open window its end and key, which no two have in common, and its start as the value: they lie in the order in which they close, then in that of keys. */
export const closingStore = <K>(store: string, key: Serde<K>): StoreSpec<Due<K>, number> =>
  dueStore(closingStoreName(store), key, serdes.int64);

/**
 * Windows that are emitted once, when they close: in the order of their ends (those of one length: of their starts), then in that of keys.
 *
 * State: a small row for each window that is open and not empty, written when it opens and deleted when it closes. What a window holds stays in the store of the fold, and is read from there
 * when it closes: what the cache does not have, a thousand windows a read.
 *
 * A window that grows (a session) is not put in another place each time: it is looked at when it would have closed as it was first, and waits on from there. That costs a look-up for each time
 * that it could have closed, instead of two writes for each record.
 */
export class ClosingWindows<K, A> {
  readonly #context: ProcessorContext;
  readonly #queue: DueQueue<K, number>;
  readonly #rows: WindowRows<K, A>;
  readonly #key: Serde<K>;

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
    while (this.#queue.next <= until) {
      const closed: WindowKey<K>[] = [];
      const taking = this.#queue.take(
        until,
        (key, start, end) => void closed.push(new WindowKey(key, start, end)),
        TOGETHER,
      );
      if (taking) return taking.then(() => this.#emitRead(closed)).then(() => this.close(until));
      const reading = this.#rows.load(closed);
      if (reading)
        return reading.then(() => {
          this.#emit(closed);
          return this.close(until);
        });
      this.#emit(closed);
    }
  }

  async #emitRead(closed: readonly WindowKey<K>[]): Promise<void> {
    await this.#rows.load(closed);
    this.#emit(closed);
  }

  #emit(closed: readonly WindowKey<K>[]): void {
    for (const window of this.#rows.now ? this.#grown(closed) : closed) {
      const row = this.#rows.row(window);
      // The headers of whichever record closes it, mostly one of another key, say nothing of a window.
      if (row) this.#context.emit(new RowChange(window, row.value, null, row.timestamp, Headers.none));
    }
  }

  /** Those that have closed, in order; the others wait on. */
  #grown(taken: readonly WindowKey<K>[]): readonly WindowKey<K>[] {
    const upTo = (taken.at(-1) as WindowKey<K>).end;
    // Several that have become one are one.
    const closed = new Map<string, WindowKey<K>>();
    const waiting = new Map<string, WindowKey<K>>();
    for (const window of taken) {
      const now = this.#rows.now?.(window);
      if (!now) continue;
      const id = `${String(now.end).padStart(16)} ${this.#key.encode(now.key).toString('latin1')}`;
      // What ends with the last one may have others before it that are not taken yet.
      const early = now.end < upTo || now.end === window.end;
      (early ? closed : waiting).set(id, now);
    }
    for (const [id, now] of waiting) if (!closed.has(id)) this.#queue.replace(now.end, now.key, now.start, now.end);
    return [...closed].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, window]) => window);
  }
}
