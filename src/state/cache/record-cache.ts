import { CachedRow, entryBytes } from '../rows/cached-row.js';
import type { RowCodec } from '../rows/row-codec.js';
import { RowSizes } from '../rows/row-sizes.js';
import { type CacheBudget, charge } from './cache-budget.js';
import { EntryTable } from './entry-table.js';

/** A batch evicts about as many entries as it adds. */
const MAX_FREE = 4_096;
/**
 * How far before and after the last lookup to search for the next one, in the order of the batch's marked
 * keys.
 */
const LOOK_BACK = 1;
const LOOK_AHEAD = 4;

/** The form of keys, and the sizes of values. */
type CachedRows<K, V> = Pick<RowCodec<K, V>, 'textOf' | 'boundsOf' | 'checkKey' | 'valueBytes'>;

/** The cached rows of one store, within the memory budget of the process. */
export class RecordCache<K, V> {
  readonly #budget: CacheBudget;
  readonly #entries = new EntryTable<K, V>();
  /** Evicted entries for reuse: they have lived long enough to be expensive garbage. */
  readonly #free: CachedRow<K, V>[] = [];
  readonly #codec: CachedRows<K, V>;
  readonly #sizes: RowSizes<V>;
  readonly #evicted: ((entry: CachedRow<K, V>) => void) | undefined;
  /**
   * The marked entries of the batch and their keys, in order. Records are processed in the same order, so
   * most lookups find their entry here, without encoding their key.
   */
  #wanted: CachedRow<K, V>[] = [];
  #wantedKeys: K[] = [];
  #wantedAt = 0;
  /** The part of the budget that this cache uses. */
  #bytes = 0;
  #inserted = 0;

  /** `evicted`: called for each row that leaves the cache. */
  constructor(budget: CacheBudget, codec: CachedRows<K, V>, evicted?: (entry: CachedRow<K, V>) => void) {
    this.#budget = budget;
    this.#codec = codec;
    this.#sizes = new RowSizes((value) => codec.valueBytes(value));
    this.#evicted = evicted;
  }

  get(key: K): CachedRow<K, V> | undefined {
    const keys = this.#wantedKeys;
    // A record may alternate between some keys, and need not look up all that were marked for it.
    const end = Math.min(keys.length, this.#wantedAt + LOOK_AHEAD);
    for (let at = Math.max(0, this.#wantedAt - LOOK_BACK); at < end; at++) {
      if (!Object.is(keys[at], key)) continue;
      if (at > this.#wantedAt) this.#wantedAt = at;
      return this.#wanted[at];
    }
    return this.#find(key);
  }

  /** Marks a cached key for a lookup soon, in the order of these calls. Returns false if it is not cached. */
  wantAgain(key: K): boolean {
    const entry = this.#find(key);
    if (entry === undefined) return false;
    entry.used = true;
    this.#wanted.push(entry);
    this.#wantedKeys.push(key);
    return true;
  }

  /**
   * Adds a key that is not cached, and marks it for a lookup soon. Errors: SERIALIZE_FAILED if the serde
   * cannot encode it, so that no cached key fails later, when it is read from disk or committed.
   */
  insert(key: K): CachedRow<K, V> {
    const bounds = this.#codec.boundsOf(key);
    const text = this.#codec.textOf(key, bounds);
    this.#codec.checkKey(key);
    const entry = this.#free.pop()?.reuse(text, key, bounds) ?? new CachedRow<K, V>(text, key, bounds);
    this.#entries.add(entry);
    this.#inserted++;
    this.#wanted.push(entry);
    this.#wantedKeys.push(key);
    this.#use(entry.bytes);
    return entry;
  }

  /** The number of keys added since the last call. */
  takeInserted(): number {
    const inserted = this.#inserted;
    this.#inserted = 0;
    return inserted;
  }

  /** Keeps the bytes of a row until it is committed; undefined: none. {@link weigh} releases them. */
  keep(entry: CachedRow<K, V>, encoded: Buffer | undefined): void {
    const { encoded: before } = entry;
    if (encoded === before) return;
    const bytes = (encoded?.length ?? 0) - (before?.length ?? 0);
    entry.encoded = encoded;
    entry.bytes += bytes;
    this.#use(bytes);
  }

  /** Updates the size of a row once its bytes are known. */
  weigh(entry: CachedRow<K, V>, valueLength: number): void {
    const bytes = entryBytes(entry.text.length, valueLength);
    this.#use(bytes - entry.bytes);
    entry.bytes = bytes;
  }

  /** Raises the estimated size of a row for its new value. `encoded`: its bytes, if they are known. */
  expect(entry: CachedRow<K, V>, value: V | null, encoded: Buffer | undefined): void {
    const kept = entry.encoded?.length ?? 0;
    // A row's own earlier size is a better estimate than the size of others.
    const isKnown = entry.bytes > entryBytes(entry.text.length, 0) + kept;
    const bytes = entryBytes(entry.text.length, this.#sizes.of(value, encoded, isKnown ? 0 : undefined)) + kept;
    if (bytes <= entry.bytes) return;
    this.#use(bytes - entry.bytes);
    entry.bytes = bytes;
  }

  /**
   * Evicts rows that equal those on disk, until the process is within its budget, or this share of the cache
   * is left. Rows that were looked up only once go first, then the least recently used ones.
   */
  evict(share = 0): void {
    this.#wanted = [];
    this.#wantedKeys = [];
    this.#wantedAt = 0;
    const keep = share * this.#bytes;
    // One round: a row looked up again since the last search moves to the end of the line for a second
    // chance.
    this.#entries.review((entry) => {
      if (!this.#budget.exceeded || this.#bytes <= keep) return 'stop';
      if (entry.dirty || entry.writtenAt >= 0 || !entry.loaded) return 'keep';
      if (entry.used) {
        entry.used = false;
        return 'renew';
      }
      this.#use(-entry.bytes);
      this.#evicted?.(entry);
      if (this.#free.length < MAX_FREE) this.#free.push(entry);
      return 'remove';
    });
  }

  /** Releases the memory. */
  close(): void {
    this.#use(-this.#bytes);
    this.#entries.clear();
    this.#wanted = [];
    this.#wantedKeys = [];
  }

  #find(key: K): CachedRow<K, V> | undefined {
    const bounds = this.#codec.boundsOf(key);
    return this.#entries.get(this.#codec.textOf(key, bounds), bounds);
  }

  #use(bytes: number): void {
    this.#bytes += bytes;
    charge(this.#budget, bytes);
  }
}
