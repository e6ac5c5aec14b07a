import { StreamsError } from '../../model/errors.js';
import { handled } from '../../model/handled.js';
import { LAST_MOMENT } from '../../model/record.js';
import { type Windowed, WindowKey } from '../../model/window.js';
import type { WindowedSerde } from '../../serdes/serde.js';
import type { Prefetched } from '../cache/prefetched.js';
import type { OperatorStore, RangeOptions, Row, ShownRow, ShownRows } from '../contract.js';
import type { CachedStore } from './cached-store.js';
import { ReadOnlyStore } from './read-only-store.js';

/**
 * The public, read-only view of a task's store, for all code except the operator that owns it. Its keys are
 * windows, not the rows that pack several of them (see {@link ShownRows}). A lookup costs the lookup of the
 * row, plus a search for the window in it.
 */
export class TypedStore<K, V> extends ReadOnlyStore implements OperatorStore<K, V>, Prefetched {
  // biome-ignore lint/suspicious/noExplicitAny: only the store's specification has the type of its rows
  readonly #store: CachedStore<any, any>;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly #shown: ShownRows<any, any, K, V>;

  constructor(store: CachedStore<unknown, unknown>, shown: ShownRows<unknown, unknown>) {
    super();
    this.#store = store;
    this.#shown = shown;
  }

  get name(): string {
    return this.#store.name;
  }

  get streamTime(): number {
    return this.#store.streamTime;
  }

  get hasWanted(): boolean {
    return this.#store.hasWanted;
  }

  get(key: K): V | null {
    return this.row(key)?.value ?? null;
  }

  row(key: K): Row<V> | null {
    const kept = this.#shown.rowOf(key);
    return this.#in(kept, this.#store.get(kept), key);
  }

  getIfLoaded(key: K): V | null | undefined {
    const kept = this.#shown.rowOf(key);
    const row = this.#store.getIfLoaded(kept);
    return row === undefined ? undefined : (this.#in(kept, row, key)?.value ?? null);
  }

  load(key: K): Promise<V | null> {
    return handled(this.#load(key));
  }

  async #load(key: K): Promise<V | null> {
    const kept = this.#shown.rowOf(key);
    return this.#in(kept, await this.#store.load(kept), key)?.value ?? null;
  }

  loadAll(keys: readonly K[]): void | Promise<void> {
    return this.#store.loadAll(keys.map((key) => this.#shown.rowOf(key)));
  }

  /** See {@link CachedStore.peek}. */
  async peek(key: K): Promise<Row<V> | null> {
    const kept = this.#shown.rowOf(key);
    return this.#in(kept, (await this.#store.peek(kept))?.value ?? null, key);
  }

  async *entries({ from, to, reverse = false }: RangeOptions<K> = {}): AsyncGenerator<readonly [K, V]> {
    const { key: serde, rowOf } = this.#shown;
    const first = from === undefined ? undefined : serde.encode(from);
    const last = to === undefined ? undefined : serde.encode(to);
    const rows = this.#store.entries({
      ...(from !== undefined && { from: rowOf(from) }),
      ...(to !== undefined && { to: rowOf(to) }),
      reverse,
    });
    for await (const [kept, value] of rows) {
      const all = [...this.#shown.of(kept, value, this.streamTime)];
      for (const row of reverse ? all.reverse() : all) {
        const bytes = first || last ? serde.encode(row.key) : undefined;
        if (bytes && ((first && bytes.compare(first) < 0) || (last && bytes.compare(last) > 0))) continue;
        yield [row.key, row.value];
      }
    }
  }

  want(key: K): void {
    this.#store.want(this.#shown.rowOf(key));
  }

  loadWanted(): Promise<void> {
    return this.#store.loadWanted();
  }

  #in(kept: unknown, value: unknown, key: K): ShownRow<K, V> | null {
    if (value === null) return null;
    const wanted = this.#shown.key.encode(key);
    for (const row of this.#shown.of(kept, value, this.streamTime)) {
      if (this.#shown.key.encode(row.key).equals(wanted)) return row;
    }
    return null;
  }

  protected override refused(what: string): StreamsError {
    return new StreamsError('STORE_READ_ONLY', {
      what,
      at: `store ${this.name}`,
      expected: 'writes only by the fold over windows that owns it',
      action: 'Write to your own store.',
    });
  }
}

/** The public view of a store, for all code except the operator that owns it. */
export function typedStore<K, V>(store: CachedStore<unknown, unknown>): CachedStore<K, V> | TypedStore<K, V> {
  const { shown } = store.spec;
  return shown ? new TypedStore<K, V>(store, shown) : (store as unknown as CachedStore<K, V>);
}

/**
 * The windows of a key that start between two moments, both included, ordered by start. Takes one scan over
 * them, and one over those that start before the epoch, which are stored elsewhere. Undefined if the store
 * has no windows.
 */
export async function windowsOf<V>(
  store: CachedStore<unknown, unknown>,
  key: unknown,
  {
    from = -LAST_MOMENT,
    to = LAST_MOMENT,
  }: { readonly from?: number | undefined; readonly to?: number | undefined } = {},
): Promise<readonly (readonly [window: Windowed<unknown>, value: V])[] | undefined> {
  const { inner }: Partial<WindowedSerde<unknown>> = store.spec.shown?.key ?? store.spec.key;
  if (!inner) return undefined;
  const wanted = inner.encode(key);
  const found: (readonly [Windowed<unknown>, V])[] = [];
  const scan = async (first: number, last: number): Promise<void> => {
    if (first > last) return;
    const range = { from: new WindowKey(key, first, 0), to: new WindowKey(key, last, Number.POSITIVE_INFINITY) };
    for await (const [window, value] of typedStore<Windowed<unknown>, V>(store).entries(range)) {
      // Other keys that begin with this one may lie in between.
      if (inner.encode(window.key).equals(wanted)) found.push([window, value]);
    }
  };
  if (store.spec.kind === 'window') await scan(from, Math.min(to, -1));
  await scan(Math.max(from, 0), to);
  return found;
}
