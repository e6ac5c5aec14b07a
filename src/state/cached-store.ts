import type { Database, DatabaseWrite } from '../model/database.js';
import { handled } from '../model/handled.js';
import type { CacheBudget } from './cache-budget.js';
import type { CachedRow } from './cached-row.js';
import type { Cause, ChangelogEntry } from './changelog-entry.js';
import { checkTimestamp } from './check-timestamp.js';
import type { OperatorStore, RangeOptions, Row, StoreSpec } from './contract.js';
import { DiskRows } from './disk-rows.js';
import { drainRows } from './drain-rows.js';
import { ExpiryIndex, expiredPerCommit } from './expiry.js';
import { listRows } from './list-rows.js';
import { notLoaded } from './not-loaded.js';
import { ReadsUnderWay } from './reads-under-way.js';
import { RecordCache } from './record-cache.js';
import { type LoggedRow, restoreRows } from './restore-rows.js';
import { RowCodec } from './row-codec.js';
import { RowLife } from './row-life.js';
import { pagesOf, type RowPages } from './row-pages.js';
import { UnwrittenRows } from './unwritten-rows.js';
import { WrittenKeys } from './written-keys.js';

/**
 * A key-value store of a task, in layers: typed (serdes) over cached (decoded values; reads see what is not
 * committed) over the task's database. Values are encoded once a commit, however often they changed; those of
 * a serde without `check` at each `put`. Memory is bounded by the process-wide {@link CacheBudget}: rows that
 * the disk has as they are are evicted, least recently used first. Beyond it: 2 bytes a key, at most 8 MB, in
 * a store whose rows expire, or whose task began on this machine with an empty directory and was not
 * restarted since (see {@link KeyFilter}).
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
  /** Where rows expire their index knows as much. */
  readonly #written: WrittenKeys | undefined;
  readonly #disk: DiskRows<K, V>;
  /** Undefined: its rows do not grow. */
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
    // Somebody else may be reading some of them at this moment.
    return this.#reads.settled();
  }

  /**
   * The row for somebody who is not a processor of the task: nothing is cached, and what is being loaded for
   * a batch is not disturbed. `committedAt`: as the last commit left it, whatever was written since, at that
   * stream time.
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
   * Marks a key to be read with the next {@link loadWanted}; nothing happens if it is cached, or known not to
   * be there.
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

  /** Reads everything that was wanted in one round trip. */
  async loadWanted(): Promise<void> {
    await this.loadAll([]);
  }

  /** Before {@link drain}: deletes rows whose time to live is over, and reads what it must know of others. */
  async expire(writes: DatabaseWrite[]): Promise<void> {
    if (this.#expiry) await this.#removeExpired(this.#expiry, writes);
    await this.#pages?.meet();
  }

  /**
   * At most twice as many as this commit adds, and at least a thousand. Those whose life is that of their key
   * are not read for it.
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
   * Encodes what changed since the last commit, in the order of first change, for the database and the
   * changelog. What was drained before is {@link applied}, or lies in `writes`, where it is changed; no
   * database may be at it. Returns how many rows have come into the cache since.
   */
  drain(writes: DatabaseWrite[], changelog: ChangelogEntry[]): number {
    drainRows({ ...this.#parts, unwritten: this.#unwritten, cache: this.#cache }, writes, changelog);
    return this.#cache.takeInserted();
  }

  /** Takes rows as they come from the changelog, bypassing the cache. */
  restore(rows: readonly LoggedRow[], writes: DatabaseWrite[]): void {
    for (const { timestamp } of rows) this.advanceTime(timestamp);
    restoreRows(rows, this.#parts, writes);
  }

  get #parts() {
    return { codec: this.#codec, life: this.#life, expiry: this.#expiry, written: this.#written, pages: this.#pages };
  }

  /**
   * Lets the next commit write these rows to the changelog whether they change or not, deleted ones as well:
   * it holds changes of them that were never committed.
   */
  async logAgain(keys: readonly Buffer[]): Promise<void> {
    const decoded = await this.#codec.readKeys((await this.#pages?.logAgain(keys)) ?? keys);
    await this.loadAll(decoded);
    for (const key of decoded) {
      const entry = this.#found(key);
      entry.stored = true;
      if (entry.dirty) continue;
      if (entry.value === null) entry.timestamp = Math.max(0, this.#streamTime);
      // What is committed already has no cause that could be done again.
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

  /** Gives the memory of the cache back. */
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
