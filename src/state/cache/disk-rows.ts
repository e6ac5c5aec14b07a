import type { Database } from '../../model/database.js';
import type { Row } from '../contract.js';
import type { CachedRow } from '../rows/cached-row.js';
import { isPaged } from '../rows/page-format.js';
import type { RowCodec } from '../rows/row-codec.js';
import type { RowLife } from '../rows/row-life.js';
import type { RowPages } from '../rows/row-pages.js';
import type { RecordCache } from './record-cache.js';

/** Reads the rows of a store from its database, long ones with their pages. */
export class DiskRows<K, V> {
  readonly #database: Database;
  readonly #codec: RowCodec<K, V>;
  readonly #life: RowLife<K>;
  readonly #pages: RowPages<K, V> | undefined;

  constructor(
    database: Database,
    codec: RowCodec<K, V>,
    { life, pages }: { readonly life: RowLife<K>; readonly pages: RowPages<K, V> | undefined },
  ) {
    this.#database = database;
    this.#codec = codec;
    this.#life = life;
    this.#pages = pages;
  }

  /** Fills cached rows in one round trip, plus one for each long row. */
  async fill(wanted: readonly CachedRow<K, V>[], cache: Pick<RecordCache<K, V>, 'weigh'>): Promise<void> {
    const rows = await this.#database.getMany(wanted.map((entry) => this.#codec.databaseKey(entry.key)));
    for (let i = 0; i < wanted.length; i++) {
      const entry = wanted[i] as CachedRow<K, V>;
      const row = rows[i];
      const decoded = row === undefined || entry.loaded ? null : this.#valueOf(entry, row);
      const value = decoded instanceof Promise ? await decoded : decoded;
      // Written during the read: the written row is newer.
      if (entry.loaded) continue;
      entry.loaded = true;
      entry.stored = row !== undefined;
      if (row === undefined) continue;
      entry.indexed = this.#life.fixed;
      entry.timestamp = row.readDoubleBE(0);
      entry.value = value;
      cache.weigh(entry, row.length + (this.#pages?.bytesOf(entry) ?? 0));
    }
  }

  /** Reads a row that is not cached; null if there is none, or if it has expired. */
  async peek(key: K, streamTime: number, before?: Buffer): Promise<Row<V> | null> {
    const [row] = await this.#database.getMany([this.#codec.databaseKey(key)]);
    const timestamp = row?.readDoubleBE(0) ?? 0;
    if (!row || this.#life.isOver(key, timestamp, streamTime)) return null;
    if (!this.#pages || !isPaged(row)) return { value: await this.#codec.readValue(row), timestamp };
    // The same row twice, and pages are still missing: no commit has changed it, so it is damaged.
    if (before?.equals(row)) return { value: await this.#pages.read(key, row), timestamp };
    const whole = await this.#pages.tryToRead(key, row);
    return whole ? { value: whole.value, timestamp } : this.peek(key, streamTime, row);
  }

  /** A row that a commit has taken, and that is not yet in the database. Null: deleted. */
  async taken(entry: CachedRow<K, V>, row: Buffer | null, streamTime: number): Promise<Row<V> | null> {
    const timestamp = row?.readDoubleBE(0) ?? 0;
    if (!row || this.#life.isOver(entry.key, timestamp, streamTime)) return null;
    const value = this.#pages && isPaged(row) ? this.#pages.committed(entry, row) : this.#codec.readValue(row);
    return { value: await value, timestamp };
  }

  /** The value of a scanned row. If the row has changed since, its current value. */
  async scanned(key: K, row: Buffer, streamTime: number): Promise<V | null> {
    if (!this.#pages || !isPaged(row)) return this.#codec.readValue(row);
    const whole = await this.#pages.tryToRead(key, row);
    return whole ? whole.value : ((await this.peek(key, streamTime))?.value ?? null);
  }

  #valueOf(entry: CachedRow<K, V>, row: Buffer): V | Promise<V> {
    return this.#pages && isPaged(row) ? this.#pages.read(entry.key, row, entry) : this.#codec.readValue(row);
  }
}
