import type { CacheBudget } from './cache-budget.js';
import { Entry, entryBytes } from './entry.js';

/** A batch evicts about as many entries as it adds. */
const MAX_FREE = 4_096;

/** The cached rows of one store, within the memory budget of the process. */
export class RecordCache<K, V> {
  readonly #budget: CacheBudget;
  readonly #entries = new Map<string, Entry<K, V>>();
  /** Evicted entries, to be used again: they have lived long enough to be expensive garbage. */
  readonly #free: Entry<K, V>[] = [];

  constructor(budget: CacheBudget) {
    this.#budget = budget;
  }

  get(id: string): Entry<K, V> | undefined {
    return this.#entries.get(id);
  }

  insert(id: string, key: K): Entry<K, V> {
    const entry = this.#free.pop()?.reuse(id, key) ?? new Entry<K, V>(id, key);
    this.#entries.set(id, entry);
    this.#budget.usedBytes += entry.bytes;
    return entry;
  }

  /** Notes how long the row is, now that its bytes are known. */
  weigh(entry: Entry<K, V>, valueLength: number): void {
    const bytes = entryBytes(entry.id.length, valueLength);
    this.#budget.usedBytes += bytes - entry.bytes;
    entry.bytes = bytes;
  }

  /** Evicts rows that are not dirty, least recently used first, until the process is within its budget. */
  evict(): void {
    if (!this.#budget.exceeded) return;
    // One round: a row touched since the last look gets a second chance at the end of the line.
    let left = this.#entries.size;
    for (const [id, entry] of this.#entries) {
      if (left-- <= 0 || !this.#budget.exceeded) return;
      if (entry.dirty || !entry.loaded) continue;
      this.#entries.delete(id);
      if (entry.used) {
        entry.used = false;
        this.#entries.set(id, entry);
      } else {
        this.#budget.usedBytes -= entry.bytes;
        if (this.#free.length < MAX_FREE) this.#free.push(entry);
      }
    }
  }

  /** Gives the memory back. */
  close(): void {
    for (const entry of this.#entries.values()) this.#budget.usedBytes -= entry.bytes;
    this.#entries.clear();
  }
}
