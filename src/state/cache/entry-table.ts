import type { CachedRow } from '../rows/cached-row.js';
import { sameBounds, type WindowBounds } from '../rows/window-bounds.js';

const FIRST_BUCKETS = 256;

/**
 * A table of cached entries, by text and bounds, that also keeps their order of use, as a Map keeps insertion
 * order. But rows come and go all the time, and a Map keeps the slots of deleted entries. Whenever these fill
 * it up, it is copied to a new table: 7 MB each for 100,000 rows, as garbage of V8's old generation. Here
 * entries carry their own links; the only allocation is a larger array when their number grows. Lookups cost
 * the same.
 */
export class EntryTable<K, V> {
  #buckets = emptyBuckets<K, V>(FIRST_BUCKETS);
  #oldest: CachedRow<K, V> | undefined;
  #newest: CachedRow<K, V> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(text: string, bounds?: WindowBounds): CachedRow<K, V> | undefined {
    const hash = hashOf(text, bounds);
    let entry = this.#buckets[hash & (this.#buckets.length - 1)];
    while (entry !== undefined && !(entry.hash === hash && entry.text === text && sameBounds(entry.bounds, bounds)))
      entry = entry.chained;
    return entry;
  }

  /** Adds an entry that is not in the table, as the last used one. */
  add(entry: CachedRow<K, V>): void {
    if (this.#size === this.#buckets.length) this.#grow();
    entry.hash = hashOf(entry.text, entry.bounds);
    this.#chain(entry);
    this.#append(entry);
    this.#size++;
  }

  /**
   * Visits the current entries, least recently used first: `keep` leaves an entry in place, `renew` makes it
   * the last used one, `remove` removes it, `stop` ends the visit.
   */
  review(decide: (entry: CachedRow<K, V>) => 'keep' | 'renew' | 'remove' | 'stop'): void {
    let before: CachedRow<K, V> | undefined;
    let entry = this.#oldest;
    for (let left = this.#size; entry !== undefined && left > 0; left--) {
      const decision = decide(entry);
      if (decision === 'stop') return;
      const next: CachedRow<K, V> | undefined = entry.newer;
      if (decision === 'keep') before = entry;
      else {
        this.#unlink(entry, before);
        if (decision === 'renew') this.#append(entry);
        else this.#drop(entry);
      }
      entry = next;
    }
  }

  clear(): void {
    this.#buckets = emptyBuckets(FIRST_BUCKETS);
    this.#oldest = undefined;
    this.#newest = undefined;
    this.#size = 0;
  }

  #append(entry: CachedRow<K, V>): void {
    entry.newer = undefined;
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
  }

  #unlink(entry: CachedRow<K, V>, before: CachedRow<K, V> | undefined): void {
    if (before === undefined) this.#oldest = entry.newer;
    else before.newer = entry.newer;
    if (this.#newest === entry) this.#newest = before;
    entry.newer = undefined;
  }

  #chain(entry: CachedRow<K, V>): void {
    const at = entry.hash & (this.#buckets.length - 1);
    entry.chained = this.#buckets[at];
    this.#buckets[at] = entry;
  }

  #drop(entry: CachedRow<K, V>): void {
    const at = entry.hash & (this.#buckets.length - 1);
    let before = this.#buckets[at];
    if (before === entry) this.#buckets[at] = entry.chained;
    else {
      while (before?.chained !== entry) before = before?.chained;
      before.chained = entry.chained;
    }
    entry.chained = undefined;
    this.#size--;
  }

  #grow(): void {
    this.#buckets = emptyBuckets(2 * this.#buckets.length);
    for (let entry = this.#oldest; entry !== undefined; entry = entry.newer) this.#chain(entry);
  }
}

const emptyBuckets = <K, V>(count: number): (CachedRow<K, V> | undefined)[] =>
  new Array<CachedRow<K, V> | undefined>(count).fill(undefined);

/** FNV-1a over the characters. The high bits are mixed in, because only the low ones choose a bucket. */
function hashOf(text: string, bounds: WindowBounds | undefined): number {
  let hash = bounds === undefined ? 0x811c9dc5 : bounds.hash;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash ^ (hash >>> 15)) & 0x3fffffff;
}
