import type { Database, DatabaseWrite } from '../../model/database.js';
import { after, KIND, PREFIX_BYTES, prefixOf, sequenceKey } from '../layout.js';
import { KeyFilter } from './key-filter.js';

/** Keys per commit that the filter learns from an earlier run's entries: some milliseconds of work. */
const LEARNED_KEYS = 20_000;

/**
 * Number of expired rows that a commit removes if it adds `added` rows: a backlog shrinks at any rate of new
 * rows.
 */
export const expiredPerCommit = (added: number): number => Math.max(1_000, 2 * added);

/** The keys of one commit, oldest commit first: expired rows are found here without a search. */
interface ExpiryEntry {
  readonly sequence: number;
  readonly maxTimestamp: number;
  readonly keys: readonly Buffer[];
}

/**
 * Finds expired rows. Each commit writes one entry with the keys that it added; expired entries are taken
 * from the front, with a bounded number of keys per commit. An entry waits for those before it, so one key
 * with a far timestamp delays the removal (not the expiry) of keys that were added later. As every row is in
 * an entry, the keys of all entries show which rows cannot exist: a filter of them avoids most lookups of new
 * keys. In memory: the first entry, and the filter. The filter is used as soon as it has learned the keys
 * that existed at opening, 20,000 per commit.
 */
export class ExpiryIndex {
  readonly #database: Database;
  readonly #prefix: Buffer;
  readonly #ttlMs: number;
  #next = 0;
  #head: ExpiryEntry | undefined;
  #headAt = 0;
  /** Sequence of the last entry that was taken completely; its deletion may not be on disk yet. */
  #done = -1;
  readonly #filter = new KeyFilter();
  /** Entries that existed at opening, and that the filter has not learned yet. */
  #oldAt = 0;
  #oldEnd = 0;

  constructor(options: { readonly database: Database; readonly storeId: number; readonly ttlMs: number }) {
    this.#database = options.database;
    this.#prefix = prefixOf(options.storeId, KIND.expiry);
    this.#ttlMs = options.ttlMs;
  }

  /** Reads only the end of the index: the filter learns existing keys commit by commit. */
  async open(): Promise<void> {
    const last = await this.#first({ gte: this.#prefix, lt: after(this.#prefix), reverse: true, limit: 1 });
    this.#next = last === undefined ? 0 : last.sequence + 1;
    this.#oldEnd = this.#next;
  }

  /** False: there is no row with that key on disk. */
  mayHold(key: Buffer): boolean {
    return this.#oldAt < this.#oldEnd || this.#filter.mayHold(key);
  }

  /** Adds some more of the keys that existed at opening to the filter. */
  async #learn(): Promise<void> {
    for (let keys = 0; this.#oldAt < this.#oldEnd && keys < LEARNED_KEYS; ) {
      const entry = await this.#first({
        gte: sequenceKey(this.#prefix, this.#oldAt),
        lt: sequenceKey(this.#prefix, this.#oldEnd),
        limit: 1,
      });
      for (const key of entry?.keys ?? []) this.#filter.add(key, entry?.sequence ?? 0);
      keys += entry?.keys.length ?? 0;
      this.#oldAt = entry === undefined || !this.#filter.useful ? this.#oldEnd : entry.sequence + 1;
    }
  }

  /** Notes the keys of one commit. */
  add(keys: readonly Buffer[], maxTimestamp: number, writes: DatabaseWrite[]): void {
    if (keys.length === 0) return;
    const sequence = this.#next++;
    for (const key of keys) this.#filter.add(key, sequence);
    writes.push({ key: sequenceKey(this.#prefix, sequence), value: encodeEntry(maxTimestamp, keys) });
  }

  /**
   * Up to `limit` keys of entries that have expired at this stream time, oldest first. Used-up entries are
   * deleted.
   */
  async take(streamTime: number, limit: number, writes: DatabaseWrite[]): Promise<Buffer[]> {
    // The commit that took these keys has since removed their rows.
    this.#filter.forget(this.#done);
    await this.#learn();
    const taken: Buffer[] = [];
    while (taken.length < limit) {
      this.#head ??= await this.#first({
        gte: sequenceKey(this.#prefix, this.#done + 1),
        lt: after(this.#prefix),
        limit: 1,
      });
      if (!this.#head || this.#head.maxTimestamp + this.#ttlMs >= streamTime) break;
      const { keys, sequence } = this.#head;
      const end = Math.min(keys.length, this.#headAt + limit - taken.length);
      for (; this.#headAt < end; this.#headAt++) taken.push(keys[this.#headAt] as Buffer);
      if (this.#headAt < keys.length) break;
      writes.push({ key: sequenceKey(this.#prefix, sequence), value: null });
      this.#head = undefined;
      this.#headAt = 0;
      this.#done = sequence;
    }
    return taken;
  }

  async #first(range: Parameters<Database['scan']>[0]): Promise<ExpiryEntry | undefined> {
    for await (const chunk of this.#database.scan(range))
      for (const [key, value] of chunk) return decodeEntry(key, value);
    return undefined;
  }
}

function encodeEntry(maxTimestamp: number, keys: readonly Buffer[]): Buffer {
  const bytes = Buffer.allocUnsafe(keys.reduce((sum, key) => sum + 4 + key.length, 8));
  let at = bytes.writeDoubleBE(maxTimestamp, 0);
  for (const key of keys) {
    at = bytes.writeUInt32BE(key.length, at);
    at += key.copy(bytes, at);
  }
  return bytes;
}

function decodeEntry(key: Buffer, value: Buffer): ExpiryEntry {
  const keys: Buffer[] = [];
  for (let at = 8; at < value.length; ) {
    const length = value.readUInt32BE(at);
    keys.push(value.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return { sequence: key.readUIntBE(PREFIX_BYTES, 6), maxTimestamp: value.readDoubleBE(0), keys };
}
