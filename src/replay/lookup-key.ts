import type { AnySerde } from '../dsl/processor.js';
import type { Windowed } from '../model/window.js';
import { isWindowed } from '../serdes/serde.js';
import type { CachedStore } from '../state/cached-store.js';
import type { Row, StoreSpec } from '../state/contract.js';
import { typedStore, windowsOf } from '../state/typed-store.js';
import type { ChangedKeys } from './snapshots.js';

/** What stands for a key where keys are looked up by their bytes. */
export const keyIdOf = (serde: AnySerde, key: unknown): string => serde.encode(key).toString('latin1');

/** What stands for the key in a windowed one; undefined if it is none. */
export const plainKeyIdOf = (serde: AnySerde, key: unknown): string | undefined =>
  isWindowed(serde) ? keyIdOf(serde.inner, (key as Windowed<unknown>).key) : undefined;

/**
 * A key that somebody asks a store for. Of a store of windows it is the key that they are of, which means all
 * of them; or one of them as it is shown, `{ key, start, end }`. Rows in which several windows lie are
 * nobody's business: it is known here which ones to look into.
 */
export class LookupKey {
  readonly #store: StoreSpec;
  readonly #key: unknown;
  /** One window, of a store that shows windows. */
  readonly #window: string | undefined;
  /** What all windows that are wanted have in common. */
  readonly #plain: string | undefined;
  readonly #kept: { readonly kind: keyof ChangedKeys; readonly id: string };

  constructor(store: StoreSpec, key: unknown) {
    const { shown } = store;
    const keys: AnySerde = shown?.key ?? store.key;
    this.#store = store;
    this.#key = key;
    if (!isWindowed(keys) || isWindow(keys.inner, key)) {
      this.#window = isWindowed(keys) ? keyIdOf(keys, key) : undefined;
      this.#kept = { kind: 'rows', id: keyIdOf(store.key, shown ? shown.rowOf(key) : key) };
    } else {
      this.#plain = keyIdOf(keys.inner, key);
      this.#kept = { kind: isWindowed(store.key) ? 'keys' : 'rows', id: this.#plain };
    }
  }

  /** What stands for it among the keys of the rows, or for what their keys have in common. */
  get kept(): { readonly kind: keyof ChangedKeys; readonly id: string } {
    return this.#kept;
  }

  /** Whether a row of the store may hold it, by the key of the row. */
  liesIn(rowKey: unknown): boolean {
    const { kind, id } = this.#kept;
    return (kind === 'rows' ? keyIdOf(this.#store.key, rowKey) : plainKeyIdOf(this.#store.key, rowKey)) === id;
  }

  /** Whether it is what a row that it may lie in holds under that key. */
  is(shownKey: unknown): boolean {
    if (this.#window === undefined || !this.#store.shown) return true;
    return keyIdOf(this.#store.shown.key, shownKey) === this.#window;
  }

  /** What the store has of it, in the order of the keys. */
  async *of(store: CachedStore<unknown, unknown>): AsyncGenerator<Row<unknown> & { readonly key: unknown }> {
    const rows = typedStore<unknown, unknown>(store);
    const windows = this.#plain === undefined ? undefined : await windowsOf(store, this.#key);
    for (const key of windows?.map(([window]) => window) ?? [this.#key]) {
      const row = await rows.peek(key);
      if (row !== null) yield { key, ...row };
    }
  }
}

/** Whether something is a window as it is shown, and not a key that windows are of. */
function isWindow(inner: AnySerde, key: unknown): boolean {
  if (typeof key !== 'object' || key === null) return false;
  const { start, end, key: own, ...others } = key as Partial<Windowed<unknown>>;
  if (typeof start !== 'number' || typeof end !== 'number' || Object.keys(others).length > 0) return false;
  // Windows of windows: what they are of looks like one, too.
  return own !== undefined && (!isWindowed(inner) || isWindow(inner.inner, own));
}
