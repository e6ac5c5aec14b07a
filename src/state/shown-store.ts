import type { CachedStore } from './cached-store.js';
import type { Row } from './contract.js';

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

  /** All rows, in the byte order of their keys. */
  async *entries(): AsyncGenerator<readonly [key: K, value: V]> {
    const { spec, streamTime } = this.#store;
    for await (const [key, value] of this.#store.entries()) {
      if (!spec.shown) yield [key, value];
      else for (const shown of spec.shown.of(key, value, streamTime)) yield [shown.key, shown.value];
    }
  }
}
