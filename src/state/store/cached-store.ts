import type { Database, DatabaseWrite } from '../../model/database.js';
import { handled } from '../../model/handled.js';
import { ExpiryIndex, expiredPerCommit } from '../absent/expiry.js';
import { WrittenKeys } from '../absent/written-keys.js';
import type { CacheBudget } from '../cache/cache-budget.js';
import { DiskRows } from '../cache/disk-rows.js';
import { listRows } from '../cache/list-rows.js';
import { notLoaded } from '../cache/not-loaded.js';
import { ReadsUnderWay } from '../cache/reads-under-way.js';
import { RecordCache } from '../cache/record-cache.js';
import { UnwrittenRows } from '../cache/unwritten-rows.js';
import type { OperatorStore, RangeOptions, Row, StoreSpec } from '../contract.js';
import type { CachedRow } from '../rows/cached-row.js';
import type { Cause, ChangelogEntry } from '../rows/changelog-entry.js';
import { checkTimestamp } from '../rows/check-timestamp.js';
import { RowCodec } from '../rows/row-codec.js';
import { RowLife } from '../rows/row-life.js';
import { pagesOf, type RowPages } from '../rows/row-pages.js';
import { drainRows } from './drain-rows.js';
import { type LoggedRow, restoreRows } from './restore-rows.js';

/**
 * A key-value store of a task, in layers: typed (serdes) over cached (decoded values; reads see uncommitted
 * data) over the task's database. Values are encoded once per commit, however often they changed; with a
 * serde without `check`, at each `put`. The process-wide {@link CacheBudget} limits memory: rows that equal
 * those on disk are evicted, least recently used first. Additional memory, for the {@link KeyFilter}: 2 bytes
 * per key, at most 8 MB. It applies to stores with expiring rows, and to tasks that began on this machine
 * with an empty directory and were not restarted since.
 */
export class CachedStore<K, V> implements OperatorStore<K, V> {
  readonly name: string;
  readonly spec: StoreSpec<K, V>;
  readonly #life: RowLife<K>;
  readonly #database: Database;
  readonly #codec: RowCodec<K, V>;
  readonly #cause: Cause;
  readonly #cache: RecordCache<K, V>;
  readonly #expiry: ExpiryIndex | undefined;
  /** Undefined where rows expire: their index has the same information. */
  readonly #written: WrittenKeys | undefined;
  readonly #disk: DiskRows<K, V>;
  /** Undefined if its rows do not grow. */
  readonly #pages: RowPages<K, V> | undefined;
  readonly #unwritten = new UnwrittenRows<K, V>();
  readonly #reads = new ReadsUnderWay<CachedRow<K, V>>();
  #streamTime = Number.NEGATIVE_INFINITY;

  constructor(options: {
    readonly spec: StoreSpec<K, V>;
    readonly storeId: number;
    readonly database: Database;
    /** Nothing was ever written to the database. Default: something may have been. */
    readonly isNew?: boolean;
    readonly budget: CacheBudget;
    readonly cause: Cause;
  }) {
    const { spec, storeId, database } = options;
    this.name = spec.name;
    this.spec = spec;
    this.#life = new RowLife(spec);
    this.#database = database;
    this.#codec = new RowCodec(spec, storeId);
    const pages = pagesOf(spec, this.#codec, database);
    this.#pages = pages;
    this.#disk = new DiskRows(database, this.#codec, { life: this.#life, pages });
    this.#cache = new RecordCache(options.budget, this.#codec, pages && ((entry) => pages.forget(entry)));
    this.#cause = options.cause;
    this.#written = spec.ttlMs === undefined && options.isNew ? new WrittenKeys() : undefined;
    this.#expiry = spec.ttlMs === undefined ? undefined : new ExpiryIndex({ database, storeId, ttlMs: spec.ttlMs });
  }

  get streamTime(): number {
    return this.#streamTime;
  }

  /** Pages of long rows were written with the last commit that was drained. */
  get wrotePages(): boolean {
    return this.#pages?.wrote === true;
  }

  get dirtyRows(): number {
    return this.#unwritten.dirty;
  }

  get hasWanted(): boolean {
    return this.#reads.hasWanted;
  }

  async open(streamTime: number): Promise<void> {
    this.#streamTime = streamTime;
    await this.#expiry?.open();
    await this.#pages?.open();
  }

  advanceTime(timestamp: number): void {
    if (timestamp > this.#streamTime) this.#streamTime = timestamp;
  }

  get(key: K): V | null {
    return this.#current(key, this.#found(key));
  }

  row(key: K): Row<V> | null {
    const entry = this.#found(key);
    const value = this.#current(key, entry);
    // A copy: the entry itself changes when the row does.
    return value === null ? null : { value, timestamp: entry.timestamp };
  }

  put(key: K, value: V | null, timestamp?: number): void {
    checkTimestamp(this.name, timestamp);
    const encoded = value === null ? undefined : this.#codec.checkedValue(value);
    this.#write(this.#cache.get(key) ?? this.#cache.insert(key), value, encoded, timestamp);
  }

  insert(key: K, value: V, timestamp?: number): void {
    checkTimestamp(this.name, timestamp);
    const encoded = this.#codec.checkedValue(value);
    if (this.#cache.get(key) === undefined) this.#cache.insert(key).stored = false;
    this.#write(this.#cache.get(key) as CachedRow<K, V>, value, encoded, timestamp);
  }

  check(value: V | null): void {
    if (value !== null) this.#codec.checkedValue(value);
  }

  #write(row: CachedRow<K, V>, value: V | null, encoded: Buffer | undefined, timestamp = this.#cause.timestamp): void {
    this.#cache.expect(row, value, encoded);
    if (this.#pages?.any && !row.loaded && row.stored) this.#pages.wroteBlindly(row);
    row.loaded = true;
    row.value = value;
    this.#cache.keep(row, encoded);
    row.timestamp = timestamp;
    row.causeTopic = this.#cause.topic;
    row.causeOffset = this.#cause.offset;
    if (timestamp > this.#streamTime) this.#streamTime = timestamp;
    this.#unwritten.add(row);
  }

  delete(key: K): void {
    this.put(key, null);
  }

  load(key: K): Promise<V | null> {
    return handled(this.#load(key));
  }

  async #load(key: K): Promise<V | null> {
    await this.loadAll([key]);
    return this.get(key);
  }

  loadAll(keys: readonly K[]): void | Promise<void> {
    for (const key of keys) this.want(key);
    this.#reads.start((wanted) => this.#disk.fill(wanted, this.#cache));
    // Another reader may have begun to read some of them.
    return this.#reads.settled();
  }

  /**
   * Reads a row for code outside the task's processors: caches nothing, and does not disturb loads for a
   * batch. `committedAt`: the row as of the last commit, without later writes, at this stream time.
   */
  async peek(key: K, committedAt?: number): Promise<Row<V> | null> {
    if (committedAt === undefined && this.getIfLoaded(key) !== undefined) return this.row(key);
    const streamTime = committedAt ?? this.#streamTime;
    const entry = this.#cache.get(key);
    const write = entry && this.#unwritten.writeOf(entry);
    return write ? this.#disk.taken(entry, write.value, streamTime) : this.#disk.peek(key, streamTime);
  }

  getIfLoaded(key: K): V | null | undefined {
    const entry = this.#cache.get(key);
    return entry?.loaded ? this.#current(key, entry) : undefined;
  }

  entries(range: RangeOptions<K> = {}): AsyncGenerator<readonly [K, V]> {
    return listRows(range, {
      database: this.#database,
      codec: this.#codec,
      disk: this.#disk,
      life: this.#life,
      pages: this.#pages,
      overlay: () => this.#unwritten.rows(this.#codec),
      current: (row) => this.#current(row.key, row),
      streamTime: () => this.#streamTime,
    });
  }

  /**
   * Marks a key for the next {@link loadWanted}; does nothing if the key is cached, or known to be absent.
   */
  want(key: K): void {
    if (this.#cache.wantAgain(key)) return;
    const absent = (this.#expiry ?? this.#written)?.mayHold(this.#codec.keyBytes(key)) === false;
    const entry = this.#cache.insert(key);
    if (absent) {
      entry.loaded = true;
      entry.stored = false;
    } else this.#reads.want(entry);
  }

  /** Reads all marked keys in one round trip. */
  async loadWanted(): Promise<void> {
    await this.loadAll([]);
  }

  /** Before {@link drain}: deletes expired rows, and reads the data that it needs of other rows. */
  async expire(writes: DatabaseWrite[]): Promise<void> {
    if (this.#expiry) await this.#removeExpired(this.#expiry, writes);
    await this.#pages?.meet();
  }

  /**
   * Removes at most twice as many rows as this commit adds, and at least a thousand. Rows with a lifetime
   * that their key determines are not read for it.
   */
  async #removeExpired(expiry: ExpiryIndex, writes: DatabaseWrite[]): Promise<void> {
    const taken = await expiry.take(this.#streamTime, expiredPerCommit(this.#unwritten.dirty), writes);
    const keys = await this.#codec.readKeys(taken);
    if (!this.#life.fixed) await this.loadAll(keys);
    for (const key of keys) {
      const entry = this.#cache.get(key);
      if (entry?.loaded && entry.value === null) continue;
      const time = entry?.loaded ? entry.timestamp : this.#life.bornAt(key, 0);
      // No record is from before the epoch, even of a window that began before it.
      if (this.#life.isOver(key, time, this.#streamTime)) this.put(key, null, Math.max(0, time));
    }
  }

  /**
   * Encodes the changes since the last commit, in the order of first change, for the database and the
   * changelog. Earlier drains are {@link applied}, or lie in `writes` and are changed there; no database may
   * be writing them. Returns the number of rows that have entered the cache since.
   */
  drain(writes: DatabaseWrite[], changelog: ChangelogEntry[]): number {
    drainRows({ ...this.#parts, unwritten: this.#unwritten, cache: this.#cache }, writes, changelog);
    return this.#cache.takeInserted();
  }

  /** Restores rows from the changelog, without the cache. */
  restore(rows: readonly LoggedRow[], writes: DatabaseWrite[]): void {
    for (const { timestamp } of rows) this.advanceTime(timestamp);
    restoreRows(rows, this.#parts, writes);
  }

  get #parts() {
    return { codec: this.#codec, life: this.#life, expiry: this.#expiry, written: this.#written, pages: this.#pages };
  }

  /**
   * Makes the next commit write these rows to the changelog, changed or not, also deleted ones: the changelog
   * holds changes of them that were never committed.
   */
  async logAgain(keys: readonly Buffer[]): Promise<void> {
    const decoded = await this.#codec.readKeys((await this.#pages?.logAgain(keys)) ?? keys);
    await this.loadAll(decoded);
    for (const key of decoded) {
      const entry = this.#found(key);
      entry.stored = true;
      if (entry.dirty) continue;
      if (entry.value === null) entry.timestamp = Math.max(0, this.#streamTime);
      // Committed data has no cause that could be repeated.
      entry.causeTopic = '';
      entry.causeOffset = -1;
      this.#unwritten.add(entry);
    }
  }

  /** Everything drained is on disk. */
  applied(): void {
    this.#unwritten.applied();
  }

  /** See {@link RecordCache.evict}. Rows that are drained and not applied stay. */
  evict(share = 0): void {
    this.#cache.evict(share);
  }

  /** Releases the memory of the cache. */
  close(): void {
    this.#cache.close();
  }

  #found(key: K): CachedRow<K, V> {
    const entry = this.#cache.get(key);
    if (entry?.loaded) return entry;
    throw notLoaded(this.name, key);
  }

  #current(key: K, { value, timestamp }: Pick<CachedRow<K, V>, 'value' | 'timestamp'>): V | null {
    return this.#expiry !== undefined && this.#life.isOver(key, timestamp, this.#streamTime) ? null : value;
  }
}
