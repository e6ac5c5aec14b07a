import { type Windowed, WindowKey } from '../model/window.js';
import type { WindowedSerde } from '../serdes/serde.js';
import type { CachedStore } from './cached-store.js';
import type { Row } from './contract.js';

/** The last moment that a Date knows. */
const LATEST = 8_640_000_000_000_000;

/** A store of a task as people see it, who ask for windows and not for the rows in which they lie: see {@link ShownRows}. */
export class ShownStore<K, V> {
  // biome-ignore lint/suspicious/noExplicitAny: how rows are kept is known to their specification only
  readonly #store: CachedStore<any, any>;

  constructor(store: CachedStore<unknown, unknown>) {
    this.#store = store;
  }

  /** The row of a key. Nothing is cached. */
  async row(key: K): Promise<Row<V> | null> {
    const { spec, streamTime } = this.#store;
    if (!spec.shown) return this.#store.peek(key);
    const kept = spec.shown.rowOf(key);
    const row = await this.#store.peek(kept);
    if (row === null) return null;
    const wanted = spec.shown.key.encode(key);
    for (const shown of spec.shown.of(kept, row.value, streamTime)) {
      if (spec.shown.key.encode(shown.key).equals(wanted)) return shown;
    }
    return null;
  }

  /** The windows of a key that start between two moments, both included, in the order of their starts: one scan over them. Undefined if this is no store of windows. */
  async windows(
    key: unknown,
    from = 0,
    to = LATEST,
  ): Promise<readonly (readonly [Windowed<unknown>, V])[] | undefined> {
    const { spec, streamTime } = this.#store;
    const { inner }: Partial<WindowedSerde<unknown>> = spec.shown?.key ?? spec.key;
    if (!inner) return undefined;
    const wanted = inner.encode(key);
    const rowAt = (start: number, end: number): unknown => {
      const window = new WindowKey(key, start, end);
      return spec.shown ? spec.shown.rowOf(window) : window;
    };
    const range = { from: rowAt(from, 0), to: rowAt(to, Number.POSITIVE_INFINITY) };
    const found: (readonly [Windowed<unknown>, V])[] = [];
    // Keys that begin with this one may lie in between.
    const add = (window: Windowed<unknown>, value: V): void => {
      if (window.start < from || window.start > to) return;
      if (inner.encode(window.key).equals(wanted)) found.push([window, value]);
    };
    for await (const [row, value] of this.#store.entries(range)) {
      if (!spec.shown) add(row, value);
      else for (const shown of spec.shown.of(row, value, streamTime)) add(shown.key, shown.value);
    }
    return found;
  }

  /** All rows, in the byte order of their keys. */
  async *entries(): AsyncGenerator<readonly [key: K, value: V]> {
    const { spec, streamTime } = this.#store;
    for await (const [key, value] of this.#store.entries()) {
      if (!spec.shown) yield [key, value];
      else for (const shown of spec.shown.of(key, value, streamTime)) yield [shown.key, shown.value];
    }
  }
}
