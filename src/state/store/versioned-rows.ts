import type { ChunkKey } from '../../model/chunk.js';
import { handled } from '../../model/handled.js';
import type { VersionChunk, VersionList } from '../../model/versions.js';
import type { Prefetched } from '../cache/prefetched.js';
import type { OperatorVersionedStore, RangeOptions, Row, VersionOutcome } from '../contract.js';
import type { Cause } from '../rows/changelog-entry.js';
import { checkTimestamp } from '../rows/check-timestamp.js';
import type { CachedStore } from './cached-store.js';
import { floorOf, putVersion } from './version-lists.js';

/** Maximum number of versions in a row's own list, if moving some out needs no disk read. */
const OWN_VERSIONS = 16;
/** Number of versions that move to a chunk together. */
const MOVED_VERSIONS = 8;
/** Number of versions in a chunk before the next is begun. */
const CHUNK_VERSIONS = 128;

/**
 * A store that keeps the past values of its rows. The newest values are in one store, as if there were no
 * others. Older ones are in a second store, in one list per key. For keys with many versions, the older ones
 * move to chunks; the key's list has the number and first moment of each chunk. A lookup as of any moment
 * reads at most three rows. It reads two if there are few versions, and one if the row never changed, which a
 * filter in memory shows.
 *
 * A list's row in the second store lives until its last version is older than the history: the store's expiry
 * then removes it without a search.
 */
export class VersionedRows<K, V> implements OperatorVersionedStore<K, V>, Prefetched {
  readonly historyMs: number;
  readonly #newest: CachedStore<K, V>;
  readonly #older: CachedStore<ChunkKey<K>, VersionList<V>>;
  readonly #cause: Cause;
  /** Lookups as of a moment, with a chunk that is known only after the key's list has been read. */
  #wanted: (readonly [key: K, asOf: number])[] = [];

  constructor(options: {
    readonly newest: CachedStore<K, V>;
    readonly older: CachedStore<ChunkKey<K>, VersionList<V>>;
    readonly historyMs: number;
    readonly cause: Cause;
  }) {
    this.#newest = options.newest;
    this.#older = options.older;
    this.historyMs = options.historyMs;
    this.#cause = options.cause;
  }

  get name(): string {
    return this.#newest.name;
  }

  get streamTime(): number {
    return this.#newest.streamTime;
  }

  advanceTime(timestamp: number): void {
    this.#newest.advanceTime(timestamp);
    this.#older.advanceTime(timestamp);
  }

  get(key: K, asOf?: number): V | null {
    return asOf === undefined ? this.#newest.get(key) : (this.row(key, asOf)?.value ?? null);
  }

  row(key: K, asOf?: number): Row<V> | null {
    const row = this.#newest.row(key);
    if (asOf === undefined) return row;
    if (asOf < this.streamTime - this.historyMs) return null;
    if (row !== null && asOf >= row.timestamp) return row;
    const own = this.#older.get({ key, id: 0 });
    if (own === null || (own.deletedAt !== null && asOf >= own.deletedAt)) return null;
    const chunk = chunkOf(own, asOf);
    const list = chunk === undefined ? own : this.#older.get({ key, id: chunk.id });
    const version = list === null ? undefined : floorOf(list.versions, asOf);
    return version === undefined || version.value === null ? null : { value: version.value, timestamp: version.from };
  }

  put(key: K, value: V | null, timestamp: number = this.#cause.timestamp): VersionOutcome {
    checkTimestamp(this.name, timestamp);
    if (timestamp < this.streamTime - this.historyMs) return 'expired';
    const row = this.#newest.row(key);
    const own = this.#older.get({ key, id: 0 });
    const since = row === null ? (own?.deletedAt ?? undefined) : row.timestamp;
    if (since !== undefined && timestamp < since) {
      this.#newest.check(value);
      this.#putOlder(key, value, timestamp, since, own ?? empty());
      return 'outOfOrder';
    }
    this.#putNewest(key, value, timestamp, own, since === timestamp ? undefined : since, row?.value ?? null);
    return 'newest';
  }

  insert(key: K, value: V, timestamp?: number): void {
    this.put(key, value, timestamp);
  }

  delete(key: K): void {
    this.put(key, null);
  }

  check(value: V | null): void {
    this.#newest.check(value);
  }

  load(key: K, asOf?: number): Promise<V | null> {
    return handled(this.#load(key, asOf));
  }

  async #load(key: K, asOf?: number): Promise<V | null> {
    await this.#newest.load(key);
    const own = await this.#older.load({ key, id: 0 });
    if (own === null || asOf === undefined) return this.get(key, asOf);
    for (const { id } of chunksFor(own, asOf)) await this.#older.load({ key, id });
    return this.get(key, asOf);
  }

  loadAll(keys: readonly K[]): void | Promise<void> {
    const newest = this.#newest.loadAll(keys);
    const older = this.#older.loadAll(keys.map((key) => ({ key, id: 0 })));
    if (newest || older) return Promise.all([newest, older]).then(() => undefined);
  }

  getIfLoaded(key: K): V | null | undefined {
    return this.#newest.getIfLoaded(key);
  }

  isLoaded(key: K, asOf?: number): boolean {
    if (this.#newest.getIfLoaded(key) === undefined) return false;
    const own = this.#older.getIfLoaded({ key, id: 0 });
    if (own === undefined) return false;
    if (own === null || asOf === undefined || own.chunks.length === 0) return true;
    return chunksFor(own, asOf).every(({ id }) => this.#older.getIfLoaded({ key, id }) !== undefined);
  }

  prepare(key: K, timestamp: number): void | Promise<void> {
    if (!this.isLoaded(key, timestamp)) return this.load(key, timestamp).then(() => undefined);
  }

  entries(range?: RangeOptions<K>): AsyncIterable<readonly [K, V]> {
    return this.#newest.entries(range);
  }

  /** Reads a row for code outside the task's processors, see {@link CachedStore.peek}. */
  async peek(key: K, asOf: number): Promise<V | null> {
    if (asOf < this.streamTime - this.historyMs) return null;
    const row = await this.#newest.peek(key);
    if (row !== null && asOf >= row.timestamp) return row.value;
    const own = await this.#older.peek({ key, id: 0 });
    if (own === null || (own.value.deletedAt !== null && asOf >= own.value.deletedAt)) return null;
    const chunk = chunkOf(own.value, asOf);
    const list = chunk === undefined ? own : await this.#older.peek({ key, id: chunk.id });
    return list === null ? null : (floorOf(list.value.versions, asOf)?.value ?? null);
  }

  get hasWanted(): boolean {
    return this.#wanted.length > 0 || this.#newest.hasWanted || this.#older.hasWanted;
  }

  want(key: K, asOf?: number): void {
    this.#newest.want(key);
    this.#older.want({ key, id: 0 });
    if (asOf === undefined) return;
    const own = this.#older.getIfLoaded({ key, id: 0 });
    if (own === undefined) this.#wanted.push([key, asOf]);
    else if (own !== null) this.#wantChunks(key, own, asOf);
  }

  async loadWanted(): Promise<void> {
    // Taken before the first await: concurrent callers must not take keys that are not read yet.
    const wanted = this.#wanted;
    this.#wanted = [];
    await Promise.all([this.#newest.loadWanted(), this.#older.loadWanted()]);
    for (const [key, asOf] of wanted) {
      const own = this.#older.get({ key, id: 0 });
      if (own !== null) this.#wantChunks(key, own, asOf);
    }
    if (this.#older.hasWanted) await this.#older.loadWanted();
  }

  #wantChunks(key: K, own: VersionList<V>, asOf: number): void {
    if (own.chunks.length > 0) for (const { id } of chunksFor(own, asOf)) this.#older.want({ key, id });
  }

  /** `since`: the beginning of the previous newest version, if there was one and it is not replaced. */
  #putNewest(
    key: K,
    value: V | null,
    timestamp: number,
    known: VersionList<V> | null,
    since: number | undefined,
    before: V | null,
  ): void {
    this.#newest.put(key, value, timestamp);
    this.advanceTime(timestamp);
    if (known === null && since === undefined && value !== null) return;
    const own = known ?? empty();
    if (since !== undefined) own.versions.push({ from: since, value: before });
    own.deletedAt = value === null ? timestamp : null;
    this.#putOwn(key, own, timestamp, known !== null);
  }

  #putOlder(key: K, value: V | null, timestamp: number, newestSince: number, own: VersionList<V>): void {
    const chunk = chunkOf(own, timestamp);
    if (chunk === undefined) putVersion(own.versions, { from: timestamp, value });
    else this.#putIntoChunk(key, own, chunk, { from: timestamp, value });
    this.#putOwn(key, own, newestSince, true);
  }

  #putIntoChunk(key: K, own: VersionList<V>, chunk: VersionChunk, version: VersionList<V>['versions'][number]): void {
    const list = this.#older.get({ key, id: chunk.id }) ?? empty<V>();
    const at = own.chunks.indexOf(chunk);
    let end = endOf(own, at);
    putVersion(list.versions, version);
    if (list.versions.length > 2 * CHUNK_VERSIONS) {
      const rest = list.versions.splice(CHUNK_VERSIONS);
      const first = (rest[0] as { from: number }).from;
      own.chunks.splice(at + 1, 0, { id: own.nextId, first, count: rest.length });
      this.#older.put({ key, id: own.nextId++ }, { ...empty<V>(), versions: rest }, end);
      end = first;
    }
    own.chunks[at] = { ...chunk, first: (list.versions[0] as { from: number }).from, count: list.versions.length };
    this.#older.put({ key, id: chunk.id }, list, end);
  }

  /** Writes a key's own list, without versions older than the history, and within its maximum length. */
  #putOwn(key: K, own: VersionList<V>, newestSince: number, stored: boolean): void {
    const oldest = this.streamTime - this.historyMs;
    while (own.chunks.length > 0 && endOf(own, 0) < oldest) own.chunks.shift();
    let over = 0;
    if (own.chunks.length === 0)
      while (over < own.versions.length && (own.versions[over + 1]?.from ?? newestSince) < oldest) over++;
    if (over > 0) own.versions.splice(0, over);
    if (own.versions.length > OWN_VERSIONS) this.#moveOut(key, own);
    if (own.versions.length > 0 || own.deletedAt !== null) this.#older.put({ key, id: 0 }, own, newestSince);
    else if (stored) this.#older.put({ key, id: 0 }, null, newestSince);
  }

  #moveOut(key: K, own: VersionList<V>): void {
    const last = own.chunks.at(-1);
    const goesOn = last !== undefined && last.count < CHUNK_VERSIONS;
    // The put was not prepared: it can wait until the last chunk is read, but not for ever.
    if (goesOn && this.#older.getIfLoaded({ key, id: last.id }) === undefined && own.versions.length < 2 * OWN_VERSIONS)
      return;
    const moved = own.versions.splice(0, MOVED_VERSIONS);
    const end = (own.versions[0] as { from: number }).from;
    const list = goesOn ? this.#older.getIfLoaded({ key, id: last.id }) : undefined;
    if (last !== undefined && list) {
      list.versions.push(...moved);
      own.chunks[own.chunks.length - 1] = { ...last, count: last.count + moved.length };
      this.#older.put({ key, id: last.id }, list, end);
      return;
    }
    const first = (moved[0] as { from: number }).from;
    own.chunks.push({ id: own.nextId, first, count: moved.length });
    this.#older.insert({ key, id: own.nextId++ }, { ...empty<V>(), versions: moved }, end);
  }
}

const empty = <V>(): VersionList<V> => ({ deletedAt: null, nextId: 1, chunks: [], versions: [] });

/** The end of a chunk's last version. */
const endOf = ({ chunks, versions }: VersionList<unknown>, at: number): number =>
  chunks[at + 1]?.first ?? (versions[0] as { from: number }).from;

/**
 * The chunk for a moment, unless the moment belongs to the key's own list; the first chunk takes all older
 * moments.
 */
function chunkOf({ chunks, versions }: VersionList<unknown>, moment: number): VersionChunk | undefined {
  if (chunks.length === 0 || moment >= (versions[0] as { from: number }).from) return undefined;
  let at = chunks.length - 1;
  while (at > 0 && (chunks[at] as VersionChunk).first > moment) at--;
  return chunks[at];
}

/**
 * The chunks that a lookup or a write at a moment may need: its own, and the one that receives the next moved
 * versions.
 */
function chunksFor(own: VersionList<unknown>, moment: number): readonly VersionChunk[] {
  const chunk = chunkOf(own, moment);
  const last = own.versions.length >= OWN_VERSIONS ? own.chunks.at(-1) : undefined;
  return [
    ...(chunk ? [chunk] : []),
    ...(last !== undefined && last !== chunk && last.count < CHUNK_VERSIONS ? [last] : []),
  ];
}
