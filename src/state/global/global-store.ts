import type { Database } from '../../model/database.js';
import { whenReady } from '../../model/not-ready.js';
import { type CacheBudget, charge } from '../cache/cache-budget.js';
import { EntryTable } from '../cache/entry-table.js';
import type { RangeOptions, StoreSpec } from '../contract.js';
import { after, PREFIX_BYTES, prefixed } from '../layout.js';
import { CachedRow, entryBytes } from '../rows/cached-row.js';
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
  /** An entry without a value: its row has changed since it was read. */
  readonly #cache = new EntryTable<K, GlobalRow<V>>();
  /** The part of the budget that the cache uses. */
  #bytes = 0;
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
    const entry = this.#cache.get(id);
    if (!entry?.value) return undefined;
    entry.used = true;
    return entry.value;
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
        this.#keep((keys[i] as GlobalKey).id, rows[i] as GlobalRow<V>, found[i]?.length ?? 0);
    }
    return rows;
  }

  /** Marks the rows of these keys as changed. */
  changed(ids: Iterable<string>): void {
    this.#changes++;
    for (const id of ids) {
      const entry = this.#cache.get(id);
      if (!entry) continue;
      entry.value = null;
      this.#weigh(entry, 0);
    }
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
    this.#cache.review((entry) => {
      if (!this.#budget.exceeded) return 'stop';
      if (entry.used && entry.value) {
        entry.used = false;
        return 'renew';
      }
      this.#use(-entry.bytes);
      return 'remove';
    });
  }

  /** Releases the memory of the cache. */
  close(): void {
    this.#use(-this.#bytes);
    this.#cache.clear();
  }

  #keep(id: string, row: GlobalRow<V>, valueLength: number): void {
    const entry = this.#cache.get(id) ?? this.#added(id);
    entry.value = row;
    entry.used = true;
    this.#weigh(entry, valueLength);
  }

  /** The key is never asked for: rows are looked up by their text. */
  #added(id: string): CachedRow<K, GlobalRow<V>> {
    const entry = new CachedRow<K, GlobalRow<V>>(id, undefined as K);
    this.#cache.add(entry);
    this.#use(entry.bytes);
    return entry;
  }

  #weigh(entry: CachedRow<K, GlobalRow<V>>, valueLength: number): void {
    const bytes = entryBytes(entry.text.length, valueLength);
    this.#use(bytes - entry.bytes);
    entry.bytes = bytes;
  }

  #use(bytes: number): void {
    this.#bytes += bytes;
    charge(this.#budget, bytes);
  }
}
