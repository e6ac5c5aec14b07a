import type { Database, DatabaseWrite } from '../model/database.js';
import { KeyFilter } from './key-filter.js';
import { after, KIND, PREFIX_BYTES, prefixOf, sequenceKey } from './layout.js';

/**
 * How many keys a commit adds to the filter of those that an earlier run has left: some milliseconds of work.
 */
const LEARNED_KEYS = 20_000;

/**
 * How many expired rows a commit removes that adds so many: a backlog shrinks however fast rows are added.
 */
export const expiredPerCommit = (added: number): number => Math.max(1_000, 2 * added);

/** The keys of one commit, oldest commit first: where expired rows are found without searching. */
interface ExpiryEntry {
  readonly sequence: number;
  readonly maxTimestamp: number;
  readonly keys: readonly Buffer[];
}

/**
 * Finds the rows whose time to live is over. Each commit writes one entry with the keys it added; expired
 * entries are taken from the front, a bounded number of keys a commit. An entry waits for those before it, so
 * one key with a far timestamp delays the removal (not the expiry) of those added after it. As every row is
 * in an entry, the keys of all entries tell which rows there cannot be: a filter of them answers most
 * look-ups of keys that are new. In memory: the entry at the front, and the filter, which begins to answer
 * when it knows the keys that were there at opening: it takes in 20,000 a commit.
 */
export class ExpiryIndex {
  readonly #database: Database;
  readonly #prefix: Buffer;
  readonly #ttlMs: number;
  #next = 0;
  #head: ExpiryEntry | undefined;
  #headAt = 0;
  /** The entry up to which everything was taken: its deletion may not be on disk yet. */
  #done = -1;
  readonly #filter = new KeyFilter();
  /** Entries that were there at opening, from which the filter has not taken the keys yet. */
  #oldAt = 0;
  #oldEnd = 0;

  constructor(options: { readonly database: Database; readonly storeId: number; readonly ttlMs: number }) {
    this.#database = options.database;
    this.#prefix = prefixOf(options.storeId, KIND.expiry);
    this.#ttlMs = options.ttlMs;
  }

  /** Reads where the index ends, and no more: the filter takes in what is there commit by commit. */
  async open(): Promise<void> {
    const last = await this.#first({ gte: this.#prefix, lt: after(this.#prefix), reverse: true, limit: 1 });
    this.#next = last === undefined ? 0 : last.sequence + 1;
    this.#oldEnd = this.#next;
  }

  /** False: there is no row of that key on disk. */
  mayHold(key: Buffer): boolean {
    return this.#oldAt < this.#oldEnd || this.#filter.mayHold(key);
  }

  /** Lets the filter take in some more of the keys that were there when the index was opened. */
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
   * Up to `limit` keys whose entry has expired at that stream time, oldest first. Entries that are used up
   * are deleted.
   */
  async take(streamTime: number, limit: number, writes: DatabaseWrite[]): Promise<Buffer[]> {
    // Those taken before have been removed from the rows since: in the commit that took them.
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
