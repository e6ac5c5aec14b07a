import type { Database, DatabaseWrite } from '../model/database.js';
import { BornRows } from './born-rows.js';
import type { CacheBudget } from './cache-budget.js';
import { type Cause, ChangelogEntry } from './changelog-entry.js';
import type { KeyValueStore, RangeOptions, Row, StoreSpec } from './contract.js';
import type { Entry } from './entry.js';
import { ExpiryIndex, expiredPerCommit } from './expiry.js';
import { PREFIX_BYTES } from './layout.js';
import { mergedScan } from './merged-scan.js';
import { notLoaded } from './not-loaded.js';
import { ReadsUnderWay } from './reads-under-way.js';
import { RecordCache } from './record-cache.js';
import { type LoggedRow, restoreRows } from './restore-rows.js';
import { RowCodec } from './row-codec.js';
import { RowLife } from './row-life.js';
import { UnwrittenRows } from './unwritten-rows.js';
import { WrittenKeys } from './written-keys.js';

/**
 * A key-value store of a task, in layers that one object stands for: typed (serdes) over cached (decoded values; reads see what is not committed) over the task's database.
 *
 * Values are encoded once a commit, however often they changed. Memory is bounded by the process-wide {@link CacheBudget}: rows that the disk has as they are are evicted, least recently used first. Beyond it: 2 bytes a key, at most 8 MB, in a
 * store whose rows expire, or whose task began on this machine with an empty directory and was not restarted since (see {@link KeyFilter}).
 */
export class CachedStore<K, V> implements KeyValueStore<K, V> {
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
  readonly #unwritten = new UnwrittenRows<K, V>();
  readonly #reads = new ReadsUnderWay<Entry<K, V>>();
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
    this.#cache = new RecordCache(options.budget, this.#codec);
    this.#cause = options.cause;
    this.#written = spec.ttlMs === undefined && options.isNew ? new WrittenKeys() : undefined;
    this.#expiry = spec.ttlMs === undefined ? undefined : new ExpiryIndex({ database, storeId, ttlMs: spec.ttlMs });
  }

  get streamTime(): number {
    return this.#streamTime;
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
  }

  observe(timestamp: number): void {
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
    const encoded = value === null ? undefined : this.#codec.checkedValue(value);
    this.#write(this.#cache.get(key) ?? this.#cache.insert(key), value, encoded, timestamp);
  }

  insert(key: K, value: V, timestamp?: number): void {
    const encoded = this.#codec.checkedValue(value);
    if (this.#cache.get(key) === undefined) this.#cache.insert(key).stored = false;
    this.#write(this.#cache.get(key) as Entry<K, V>, value, encoded, timestamp);
  }

  /** SERIALIZE_FAILED if a value cannot be put. For who changes other things before it is. */
  check(value: V | null): void {
    if (value !== null) this.#codec.checkedValue(value);
  }

  #write(entry: Entry<K, V>, value: V | null, encoded: Buffer | undefined, timestamp = this.#cause.timestamp): void {
    entry.loaded = true;
    entry.value = value;
    entry.encoded = encoded;
    entry.timestamp = timestamp;
    entry.causeTopic = this.#cause.topic;
    entry.causeOffset = this.#cause.offset;
    if (timestamp > this.#streamTime) this.#streamTime = timestamp;
    this.#unwritten.add(entry);
  }

  delete(key: K): void {
    this.put(key, null);
  }

  async load(key: K): Promise<V | null> {
    await this.loadAll([key]);
    return this.get(key);
  }

  loadAll(keys: readonly K[]): void | Promise<void> {
    for (const key of keys) this.want(key);
    if (this.hasWanted) void this.loadWanted();
    // Somebody else may be reading some of them at this moment.
    return this.#reads.settled();
  }

  /** The row for somebody who is not a processor of the task: nothing is cached, and what is being loaded for a batch is not disturbed. `committed`: as the last commit left it, whatever was written since. */
  async peek(key: K, committed = false): Promise<Row<V> | null> {
    if (!committed && this.getIfLoaded(key) !== undefined) return this.row(key);
    const entry = this.#cache.get(key);
    const write = entry && this.#unwritten.writeOf(entry);
    const [row] = write ? [write.value] : await this.#database.getMany([this.#codec.databaseKey(key)]);
    const timestamp = row?.readDoubleBE(0) ?? 0;
    if (!row || this.#life.isOver(key, timestamp, this.#streamTime)) return null;
    return { value: await this.#codec.readValue(row), timestamp };
  }

  getIfLoaded(key: K): V | null | undefined {
    const entry = this.#cache.get(key);
    return entry?.loaded ? this.#current(key, entry) : undefined;
  }

  async *entries(range: RangeOptions<K> = {}): AsyncGenerator<readonly [K, V]> {
    const codec = this.#codec;
    const rows = mergedScan({
      database: this.#database,
      prefix: codec.prefix,
      from: range.from === undefined ? undefined : codec.keyBytes(range.from),
      to: range.to === undefined ? undefined : codec.keyBytes(range.to),
      reverse: range.reverse ?? false,
      overlay: this.#unwritten.rows(codec),
    });
    for await (const row of rows) {
      if ('cached' in row) {
        const { key } = row.cached;
        const value = this.#current(key, row.cached);
        if (value !== null) yield [key, value];
        continue;
      }
      const key = await codec.readKey(row.key);
      if (!this.#life.isOver(key, row.value.readDoubleBE(0), this.#streamTime))
        yield [key, await codec.readValue(row.value)];
    }
  }

  /** Marks a key to be read with the next {@link loadWanted}; nothing happens if it is cached, or known not to be there. */
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
  loadWanted(): Promise<void> {
    return this.#reads.start((wanted) => this.#read(wanted));
  }

  async #read(wanted: readonly Entry<K, V>[]): Promise<void> {
    const rows = await this.#database.getMany(wanted.map((entry) => this.#codec.databaseKey(entry.key)));
    for (let i = 0; i < wanted.length; i++) {
      const entry = wanted[i] as Entry<K, V>;
      const row = rows[i];
      const decoded = row === undefined || entry.loaded ? null : this.#codec.readValue(row);
      const value = decoded instanceof Promise ? await decoded : decoded;
      // It was written while the read was under way: what was written is newer.
      if (entry.loaded) continue;
      entry.loaded = true;
      entry.stored = row !== undefined;
      if (row === undefined) continue;
      entry.indexed = this.#life.fixed;
      entry.timestamp = row.readDoubleBE(0);
      entry.value = value;
      this.#cache.weigh(entry, row.length);
    }
  }

  /** Deletes rows whose time to live is over: at most twice as many as this commit adds, and at least a thousand. Those whose life is that of their key are not read for it. */
  async expire(writes: DatabaseWrite[]): Promise<void> {
    if (!this.#expiry) return;
    const taken = await this.#expiry.take(this.#streamTime, expiredPerCommit(this.#unwritten.dirty), writes);
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
   * Encodes what changed since the last commit, in the order of first change, for the database and the changelog. What was drained before is {@link applied}, or lies in `writes`, where it is changed; no database may be at it. Returns how many rows have come into the cache since.
   */
  drain(writes: DatabaseWrite[], changelog: ChangelogEntry[]): number {
    const born = this.#expiry && new BornRows(this.#expiry);
    for (const entry of this.#unwritten.take(writes)) {
      // Written and deleted between two commits: nobody else ever saw it.
      if (entry.value === null && !entry.stored) continue;
      const { value, timestamp, encoded } = entry;
      const valueBytes = value === null ? null : this.#codec.databaseValue(value, timestamp, encoded);
      entry.encoded = undefined;
      const write = this.#unwritten.writeOf(entry) ?? this.#unwritten.write(entry, this.#codec.databaseKey(entry.key));
      write.value = valueBytes;
      changelog.push(new ChangelogEntry(write, entry.timestamp, entry.causeTopic, entry.causeOffset));
      entry.stored = valueBytes !== null;
      this.#cache.weigh(entry, valueBytes?.length ?? 0);
      if ((born || this.#written) && valueBytes !== null && !entry.indexed) {
        const keyBytes = write.key.subarray(PREFIX_BYTES);
        born?.add(keyBytes, this.#life.bornAt(entry.key, entry.timestamp));
        this.#written?.note(keyBytes);
        entry.indexed = this.#life.fixed;
      }
    }
    born?.write(writes);
    return this.#cache.takeInserted();
  }

  /** Takes rows as they come from the changelog, bypassing the cache. */
  restore(rows: readonly LoggedRow[], writes: DatabaseWrite[]): void {
    for (const { timestamp } of rows) this.observe(timestamp);
    const parts = { codec: this.#codec, life: this.#life, expiry: this.#expiry, written: this.#written };
    restoreRows(rows, parts, writes);
  }

  /** Lets the next commit write these rows to the changelog whether they change or not, deleted ones as well: it holds changes of them that were never committed. */
  async logAgain(keys: readonly Buffer[]): Promise<void> {
    const decoded = await this.#codec.readKeys(keys);
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

  #found(key: K): Entry<K, V> {
    const entry = this.#cache.get(key);
    if (entry?.loaded) return entry;
    throw notLoaded(this.name, key);
  }

  #current(key: K, { value, timestamp }: Pick<Entry<K, V>, 'value' | 'timestamp'>): V | null {
    return this.#expiry !== undefined && this.#life.isOver(key, timestamp, this.#streamTime) ? null : value;
  }
}
