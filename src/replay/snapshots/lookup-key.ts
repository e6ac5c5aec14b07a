import type { AnySerde } from '../../dsl/contract/processor.js';
import type { Windowed } from '../../model/window.js';
import { isWindowed } from '../../serdes/serde.js';
import type { Row, StoreSpec } from '../../state/contract.js';
import type { CachedStore } from '../../state/store/cached-store.js';
import { typedStore, windowsOf } from '../../state/store/typed-store.js';
import type { ChangedKeys } from './snapshots.js';

/** The bytes of a key as a string, for maps and sets. */
export const keyIdOf = (serde: AnySerde, key: unknown): string => serde.encode(key).toString('latin1');

/** The bytes of the plain key in a windowed key; undefined if the key is not windowed. */
export const plainKeyIdOf = (serde: AnySerde, key: unknown): string | undefined =>
  isWindowed(serde) ? keyIdOf(serde.inner, (key as Windowed<unknown>).key) : undefined;

/**
 * A key to look up in a store. In a window store it is a plain key, which selects all its windows, or one
 * window in its public form, `{ key, start, end }`. Rows that pack several windows are an internal detail:
 * this class knows which rows to look into.
 */
export class LookupKey {
  readonly #store: StoreSpec;
  readonly #key: unknown;
  /** One window, in a store that shows windows. */
  readonly #window: string | undefined;
  /** The plain key of all selected windows. */
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

  /** The id to find among the row keys, or among the plain keys of windowed row keys. */
  get kept(): { readonly kind: keyof ChangedKeys; readonly id: string } {
    return this.#kept;
  }

  /** Whether the row with this key may hold the looked-up key. */
  liesIn(rowKey: unknown): boolean {
    const { kind, id } = this.#kept;
    return (kind === 'rows' ? keyIdOf(this.#store.key, rowKey) : plainKeyIdOf(this.#store.key, rowKey)) === id;
  }

  /** Whether an entry of such a row, with this public key, is selected. */
  is(shownKey: unknown): boolean {
    if (this.#window === undefined || !this.#store.shown) return true;
    return keyIdOf(this.#store.shown.key, shownKey) === this.#window;
  }

  /** The selected rows of a store, in key order. */
  async *of(store: CachedStore<unknown, unknown>): AsyncGenerator<Row<unknown> & { readonly key: unknown }> {
    const rows = typedStore<unknown, unknown>(store);
    const windows = this.#plain === undefined ? undefined : await windowsOf(store, this.#key);
    for (const key of windows?.map(([window]) => window) ?? [this.#key]) {
      const row = await rows.peek(key);
      if (row !== null) yield { key, ...row };
    }
  }
}

/** Whether a value is a window in its public form, and not a plain key. */
function isWindow(inner: AnySerde, key: unknown): boolean {
  if (typeof key !== 'object' || key === null) return false;
  const { start, end, key: own, ...others } = key as Partial<Windowed<unknown>>;
  if (typeof start !== 'number' || typeof end !== 'number' || Object.keys(others).length > 0) return false;
  // The plain key of a nested window is a window itself.
  return own !== undefined && (!isWindowed(inner) || isWindow(inner.inner, own));
}
