import type { Database, DatabaseWrite, OpenDatabase } from '#src/model/database.js';
import { CacheBudget } from '#src/state/cache/cache-budget.js';
import type { StoreSpec } from '#src/state/contract.js';
import { memoryDatabases } from '#src/state/database/memory.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import { after, KIND, PREFIX_BYTES, prefixOf } from '#src/state/layout.js';
import type { Cause, ChangelogEntry } from '#src/state/rows/changelog-entry.js';
import type { StoreBytes } from '#src/state/rows/store-bytes.js';
import { CachedStore } from '#src/state/store/cached-store.js';
import type { LoggedRow } from '#src/state/store/restore-rows.js';
import { temporaryDirectory } from './project.js';

/** The databases that stores must work over alike. */
export const databases: readonly (readonly [
  name: string,
  open: () => { directory: string; openDatabase: OpenDatabase },
])[] = [
  ['memory', () => ({ directory: 'db', openDatabase: memoryDatabases() })],
  ['RocksDB', () => ({ directory: temporaryDirectory(), openDatabase: openRocksDatabase })],
];

/** One store and its database, committed as a task does it, with a changelog in memory. */
export class StoreLab<K, V> {
  readonly cause: Cause = { topic: 'in', offset: 0, timestamp: 0 };
  readonly budget: CacheBudget;
  readonly changelog: ChangelogEntry[] = [];
  store!: CachedStore<K, V>;
  /** Keys asked of the database, one number a round trip. */
  reads: number[] = [];
  /** What happens before the database answers the next questions. */
  meanwhile: (() => Promise<void>)[] = [];
  #database!: Database;
  #isNew = true;
  readonly #spec: StoreSpec<K, V>;
  readonly #place: { directory: string; openDatabase: OpenDatabase };

  constructor(spec: StoreSpec<K, V>, place: { directory: string; openDatabase: OpenDatabase }, maxBytes = 1_000_000) {
    this.#spec = spec;
    this.#place = place;
    this.budget = new CacheBudget(maxBytes);
  }

  async open(): Promise<CachedStore<K, V>> {
    const { directory, openDatabase } = this.#place;
    const streamTime = this.store?.streamTime ?? Number.NEGATIVE_INFINITY;
    this.#database = await openDatabase(directory);
    const database: Database = {
      getMany: async (keys) => {
        this.reads.push(keys.length);
        await this.meanwhile.shift()?.();
        return this.#database.getMany(keys);
      },
      write: (writes, options) => this.#database.write(writes, options),
      scan: (range) => this.#database.scan(range),
      close: () => this.#database.close(),
    };
    this.store = new CachedStore({
      spec: this.#spec,
      storeId: 7,
      database,
      isNew: this.#isNew,
      budget: this.budget,
      cause: this.cause,
    });
    this.#isNew = false;
    await this.store.open(streamTime);
    return this.store;
  }

  /** Returns what went to the changelog. */
  async commit(): Promise<ChangelogEntry[]> {
    const writes: DatabaseWrite[] = [];
    const entries: ChangelogEntry[] = [];
    await this.store.expire(writes);
    this.store.drain(writes, entries);
    await this.#database.write(writes);
    this.store.applied();
    this.store.evict();
    this.changelog.push(...entries);
    return entries;
  }

  /** Takes what a changelog holds, as after the loss of a machine. */
  async restore(logged: readonly LoggedRow[]): Promise<void> {
    const writes: DatabaseWrite[] = [];
    this.store.restore(logged, writes);
    await this.#database.write(writes);
  }

  /** The store as it is on disk. */
  get bytes(): StoreBytes {
    return { database: this.#database, storeId: 7 };
  }

  /** The keys of what is in the database, pages of rows among them, without the index of what expires. */
  async keys(): Promise<Buffer[]> {
    const gte = prefixOf(7, KIND.rows);
    const found: Buffer[] = [];
    for await (const chunk of this.#database.scan({ gte, lt: after(gte) }))
      found.push(...chunk.map(([key]) => key.subarray(PREFIX_BYTES)));
    return found;
  }

  /** Writes to the database, past the store. */
  write(writes: readonly DatabaseWrite[]): Promise<void> {
    return this.#database.write(writes);
  }

  /** As a crash and a start: what is not committed is gone. */
  async reopen(): Promise<void> {
    await this.close();
    await this.open();
  }

  async close(): Promise<void> {
    this.store.close();
    await this.#database.close();
  }
}

export async function rows<K, V>(entries: AsyncIterable<readonly [K, V]>): Promise<[K, V][]> {
  const found: [K, V][] = [];
  for await (const [key, value] of entries) found.push([key, value]);
  return found;
}
