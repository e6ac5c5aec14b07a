import type { Database } from '../../model/database.js';
import { whenReady } from '../../model/not-ready.js';
import { type CacheBudget, charge } from '../cache/cache-budget.js';
import type { RangeOptions, StoreSpec } from '../contract.js';
import { after, PREFIX_BYTES, prefixed } from '../layout.js';
import { entryBytes } from '../rows/cached-row.js';
import { RowCodec } from '../rows/row-codec.js';

/** A row as it was read. It never changes: a reader that holds it has the table as of that moment. */
export interface GlobalRow<V> {
  /** Null: there is no such row. */
  readonly value: V | null;
  readonly timestamp: number;
}

/** A key in the two forms for lookups. */
export interface GlobalKey {
  readonly id: string;
  readonly databaseKey: Buffer;
}

interface Cached<V> {
  readonly row: GlobalRow<V>;
  readonly bytes: number;
  /** Used since the last search for rows to evict. */
  used: boolean;
}

/**
 * The rows of one global table. On disk, one writer changes them. A cache that all tasks of the process share
 * holds decoded rows, within the {@link CacheBudget}.
 *
 * A change replaces rows and never modifies one, so readers need no lock: see {@link GlobalView}. The writer
 * calls {@link changed} after the database has the change. A read that was running meanwhile is returned to
 * its caller but not cached, because it may have seen the old row or the new one.
 */
export class GlobalStore<K, V> {
  readonly name: string;
  readonly spec: StoreSpec<K, V>;
  readonly codec: RowCodec<K, V>;
  readonly #database: Database;
  readonly #budget: CacheBudget;
  readonly #cache = new Map<string, Cached<V>>();
  #changes = 0;

  constructor(options: {
    readonly spec: StoreSpec<K, V>;
    readonly storeId: number;
    readonly database: Database;
    readonly budget: CacheBudget;
  }) {
    this.name = options.spec.name;
    this.spec = options.spec;
    this.codec = new RowCodec(options.spec, options.storeId);
    this.#database = options.database;
    this.#budget = options.budget;
  }

  keyOf(key: K): GlobalKey {
    return { id: this.codec.idOf(key), databaseKey: this.codec.databaseKey(key) };
  }

  cached(id: string): GlobalRow<V> | undefined {
    const cached = this.#cache.get(id);
    if (cached) cached.used = true;
    return cached?.row;
  }

  /** Reads the rows of these keys from disk, in one round trip. */
  async read(keys: readonly GlobalKey[]): Promise<readonly GlobalRow<V>[]> {
    const changes = this.#changes;
    const found = await this.#database.getMany(keys.map(({ databaseKey }) => databaseKey));
    const rows = await whenReady(() =>
      found.map(
        (bytes): GlobalRow<V> =>
          bytes === undefined
            ? { value: null, timestamp: 0 }
            : { value: this.codec.decodeValue(bytes), timestamp: bytes.readDoubleBE(0) },
      ),
    );
    if (changes === this.#changes) {
      for (let i = 0; i < keys.length; i++)
        this.#insert((keys[i] as GlobalKey).id, rows[i] as GlobalRow<V>, found[i]?.length ?? 0);
    }
    return rows;
  }

  /** Marks the rows of these keys as changed. */
  changed(ids: Iterable<string>): void {
    this.#changes++;
    for (const id of ids) this.#remove(id);
  }

  async *entries({ from, to, reverse = false }: RangeOptions<K> = {}): AsyncGenerator<readonly [K, V]> {
    const { codec } = this;
    const gte = from === undefined ? codec.prefix : codec.databaseKey(from);
    const lt =
      to === undefined
        ? after(codec.prefix)
        : prefixed(codec.prefix, Buffer.concat([codec.keyBytes(to), Buffer.alloc(1)]));
    for await (const chunk of this.#database.scan({ gte, lt, reverse })) {
      for (const [key, value] of chunk) {
        const decoded = whenReady(() => codec.decodeRow(key.subarray(PREFIX_BYTES), value));
        yield decoded instanceof Promise ? await decoded : decoded;
      }
    }
  }

  /** Evicts rows, least recently used first, until the process is within its budget. */
  evict(): void {
    if (!this.#budget.exceeded) return;
    // One round: a row used since the last search moves to the end of the line for a second chance.
    let left = this.#cache.size;
    for (const [id, cached] of this.#cache) {
      if (left-- <= 0 || !this.#budget.exceeded) return;
      if (cached.used) {
        cached.used = false;
        this.#cache.delete(id);
        this.#cache.set(id, cached);
      } else this.#remove(id);
    }
  }

  /** Releases the memory of the cache. */
  close(): void {
    for (const id of [...this.#cache.keys()]) this.#remove(id);
  }

  #insert(id: string, row: GlobalRow<V>, valueLength: number): void {
    this.#remove(id);
    const bytes = entryBytes(id.length, valueLength);
    this.#cache.set(id, { row, bytes, used: true });
    charge(this.#budget, bytes);
  }

  #remove(id: string): void {
    const cached = this.#cache.get(id);
    if (!cached) return;
    this.#cache.delete(id);
    charge(this.#budget, -cached.bytes);
  }
}
