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
 */
export class ClosingWindows<K, A> {
  readonly #context: ProcessorContext;
  readonly #queue: DueQueue<K, number>;
  readonly #rows: WindowRows<K, A>;

  constructor(
    context: ProcessorContext,
    { store, key }: { readonly store: string; readonly key: Serde<K> },
    rows: WindowRows<K, A>,
  ) {
    this.#context = context;
    this.#queue = new DueQueue(context.store(closingStoreName(store)), key);
    this.#rows = rows;
  }

  start(): Promise<void> {
    return this.#queue.start();
  }

  /** Notes that a window became empty or is no longer so. */
  changed(window: WindowKey<K>, isThere: boolean, wasThere: boolean, timestamp: number): void {
    if (isThere && !wasThere) this.#queue.add(window.end, window.key, window.start, timestamp);
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
    for (const window of closed) {
      const row = this.#rows.row(window);
      // The headers of whichever record closes it, mostly one of another key, say nothing of a window.
      if (row) this.#context.emit(new RowChange(window, row.value, null, row.timestamp, Headers.none));
    }
  }
}
