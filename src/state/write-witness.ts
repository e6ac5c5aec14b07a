import type { Database, DatabaseWrite } from '../model/database.js';
import { databaseDamaged } from './database-errors.js';
import { type SyncedMark, withoutCopy } from './synced-mark.js';

/**
 * Behind all keys of the user: the numbers of writes, 8 bytes each. The value is the number of the first
 * write of that log which took the write before it.
 */
const PREFIX = 0xff;
const KEY_BYTES = 9;
/** How many numbers are kept at most: three a log. */
const MAX_KEPT = 64;
/**
 * How many logs are looked back: those that are no tables yet are three at most, and a lost one is before
 * them.
 */
const LOOKED_BACK = 12;

/**
 * Tells whether writes are missing from a database that RocksDB has opened without a complaint: because a log
 * is gone, or the list of its tables ends too early. What is lost so is all that one log had, or everything
 * from one write on (within one log the checksums tell: `write-ahead-log.ts`).
 *
 * Each write has a number, and carries it into the database. The numbers of the first and the last write of
 * each log stay, those between are deleted by later writes. So when a log is lost a number is missing, and
 * the next log says which one there has to be.
 */
export class WriteWitness {
  /** The last write that is in. */
  #last: number;
  /** The first write of the log that took it. */
  #first: number;
  #log: string | undefined;
  /** The numbers that are in the database, in order. */
  #kept: number[];
  /** Those that the next write deletes. */
  #dropped: readonly number[] = [];

  private constructor(kept: number[], last: number) {
    this.#kept = kept;
    this.#last = last;
    // The writes of before were made tables together when the database was opened.
    this.#first = last;
  }

  /**
   * Of a database that was just opened. `mark`: what was synced, undefined if nobody knows. LOG_CORRUPT if
   * any of it is missing.
   */
  static async of(database: Database, directory: string, mark: SyncedMark | undefined): Promise<WriteWitness> {
    const found = new Map<number, number>();
    for await (const chunk of database.scan({ gte: Buffer.from([PREFIX]) }))
      for (const [key, value] of chunk) found.set(Number(key.readBigUInt64BE(1)), Number(value.readBigUInt64BE(0)));
    const kept = [...found.keys()];
    const newest = kept.at(-1) ?? 0;
    if (mark) {
      const missing = newest < mark.writes ? newest + 1 : firstMissing(found, newest, mark.since);
      if (missing !== undefined) throw lost(directory, missing, newest, mark.writes);
    }
    return new WriteWitness(kept, newest);
  }

  get last(): number {
    return this.#last;
  }

  /** What the next write has to carry. */
  entries(): readonly DatabaseWrite[] {
    const next = this.#last + 1;
    const between = next - 2;
    const drops = this.#first < between && this.#kept.includes(between) ? [between] : [];
    if (this.#kept.length >= MAX_KEPT) drops.push(this.#kept[0] as number);
    this.#dropped = drops;
    return [
      { key: keyOf(next), value: bytesOf(this.#first) },
      ...drops.map((number) => ({ key: keyOf(number), value: null })),
    ];
  }

  /** It is in, and that log took it. Returns whether it is the first write of that log. */
  written(log: string): boolean {
    this.#last++;
    this.#kept = this.#kept.filter((number) => !this.#dropped.includes(number));
    this.#kept.push(this.#last);
    if (log === this.#log) return false;
    this.#log = log;
    this.#first = this.#last;
    return true;
  }
}

/** The number of a write that is not there although one behind it is; undefined if there is none. */
function firstMissing(found: ReadonlyMap<number, number>, newest: number, since: number): number | undefined {
  let at = newest;
  const isMissing = (number: number): boolean => number > since && !found.has(number);
  if (isMissing(at - 1)) return at - 1;
  for (let log = 0; log < LOOKED_BACK && at > since; log++) {
    const first = found.get(at) as number;
    if (first <= since) return undefined;
    // The first write of a log, and the last one of the log before.
    for (const number of [first, first - 1]) if (isMissing(number)) return number;
    at = first - 1;
  }
  return undefined;
}

function lost(directory: string, missing: number, newest: number, synced: number): Error {
  return databaseDamaged('log', {
    what: 'cannot open the log',
    at: directory,
    saw: missing > newest ? `the writes up to ${newest}` : `no write ${missing}`,
    expected: `the ${synced} writes that were synced`,
    action: withoutCopy(directory),
  });
}

function keyOf(number: number): Buffer {
  const key = Buffer.allocUnsafe(KEY_BYTES);
  key[0] = PREFIX;
  key.writeBigUInt64BE(BigInt(number), 1);
  return key;
}

function bytesOf(number: number): Buffer {
  const value = Buffer.allocUnsafe(8);
  value.writeBigUInt64BE(BigInt(number));
  return value;
}
