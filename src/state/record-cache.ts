import { type CacheBudget, charge } from './cache-budget.js';
import { CachedRow, entryBytes } from './cached-row.js';
import { EntryTable } from './entry-table.js';
import type { RowCodec } from './row-codec.js';
import { RowSizes } from './row-sizes.js';

/** A batch evicts about as many entries as it adds. */
const MAX_FREE = 4_096;
/** How far from the last look-up the next one is looked for, among what the batch wanted. */
const LOOK_BACK = 1;
const LOOK_AHEAD = 4;

/** How keys are kept, and how long values are. */
type CachedRows<K, V> = Pick<RowCodec<K, V>, 'textOf' | 'boundsOf' | 'checkKey' | 'valueBytes'>;

/** The cached rows of one store, within the memory budget of the process. */
export class RecordCache<K, V> {
  readonly #budget: CacheBudget;
  readonly #entries = new EntryTable<K, V>();
  /** Evicted entries, to be used again: they have lived long enough to be expensive garbage. */
  readonly #free: CachedRow<K, V>[] = [];
  readonly #codec: CachedRows<K, V>;
  readonly #sizes: RowSizes<V>;
  readonly #evicted: ((entry: CachedRow<K, V>) => void) | undefined;
  /**
   * What the batch wanted, in its order, and with which keys. Records are processed in the same order, so
   * that most look-ups find here what they look for, without writing their keys as bytes.
   */
  #wanted: CachedRow<K, V>[] = [];
  #wantedKeys: K[] = [];
  #wantedAt = 0;
  /** What of the budget is used here. */
  #bytes = 0;
  #inserted = 0;

  /** `evicted`: told of each row that is not cached any more. */
  constructor(budget: CacheBudget, codec: CachedRows<K, V>, evicted?: (entry: CachedRow<K, V>) => void) {
    this.#budget = budget;
    this.#codec = codec;
    this.#sizes = new RowSizes((value) => codec.valueBytes(value));
    this.#evicted = evicted;
  }

  get(key: K): CachedRow<K, V> | undefined {
    const keys = this.#wantedKeys;
    // A record may look up some keys in turns, and need not look up all that were wanted for it.
    const end = Math.min(keys.length, this.#wantedAt + LOOK_AHEAD);
    for (let at = Math.max(0, this.#wantedAt - LOOK_BACK); at < end; at++) {
      if (!Object.is(keys[at], key)) continue;
      if (at > this.#wantedAt) this.#wantedAt = at;
      return this.#wanted[at];
    }
    return this.#find(key);
  }

  /**
   * Expects a key that is cached to be looked up soon, in the order of these calls. False if it is not
   * cached.
   */
  wantAgain(key: K): boolean {
    const entry = this.#find(key);
    if (entry === undefined) return false;
    entry.used = true;
    this.#wanted.push(entry);
    this.#wantedKeys.push(key);
    return true;
  }

  /**
   * A key that is not cached; it is expected to be looked up soon, too. SERIALIZE_FAILED if the serde does
   * not write it: no cached key is one that fails when it is to be read from disk, or committed.
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

  /** How many keys have come since it was asked last. */
  takeInserted(): number {
    const inserted = this.#inserted;
    this.#inserted = 0;
    return inserted;
  }

  /** Keeps the bytes of a row until it is committed; undefined: none. {@link weigh} lets go of them. */
  keep(entry: CachedRow<K, V>, encoded: Buffer | undefined): void {
    const { encoded: before } = entry;
    if (encoded === before) return;
    const bytes = (encoded?.length ?? 0) - (before?.length ?? 0);
    entry.encoded = encoded;
    entry.bytes += bytes;
    this.#use(bytes);
  }

  /** Notes how long the row is, now that its bytes are known. */
  weigh(entry: CachedRow<K, V>, valueLength: number): void {
    const bytes = entryBytes(entry.text.length, valueLength);
    this.#use(bytes - entry.bytes);
    entry.bytes = bytes;
  }

  /** Notes how long the row may be that has this value now. `encoded`: its bytes, if they are known. */
  expect(entry: CachedRow<K, V>, value: V | null, encoded: Buffer | undefined): void {
    const kept = entry.encoded?.length ?? 0;
    // How long it was says more of a row than how long others are.
    const isKnown = entry.bytes > entryBytes(entry.text.length, 0) + kept;
    const bytes = entryBytes(entry.text.length, this.#sizes.of(value, encoded, isKnown ? 0 : undefined)) + kept;
    if (bytes <= entry.bytes) return;
    this.#use(bytes - entry.bytes);
    entry.bytes = bytes;
  }

  /**
   * Evicts rows that the disk has as they are, until the process is within its budget, or that share of this
   * cache is left: those that were wanted only once first, then least recently used first.
   */
  evict(share = 0): void {
    this.#wanted = [];
    this.#wantedKeys = [];
    this.#wantedAt = 0;
    const keep = share * this.#bytes;
    // One round: a row wanted again since the last look gets a second chance at the end of the line.
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

  /** Gives the memory back. */
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
