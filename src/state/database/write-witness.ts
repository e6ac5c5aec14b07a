import type { Database, DatabaseWrite } from '../../model/database.js';
import { databaseDamaged } from './database-errors.js';
import { type SyncedMark, withoutCopy } from './synced-mark.js';

/**
 * After all keys of the user: the numbers of writes, 8 bytes each. The value is the number of the first write
 * of the log that took the previous write.
 */
const PREFIX = 0xff;
const KEY_BYTES = 9;
/** Maximum number of kept numbers: three per log. */
const MAX_KEPT = 64;
/** How many logs to look back: at most three are not tables yet, and a lost one is before them. */
const LOOKED_BACK = 12;

/**
 * Detects missing writes in a database that RocksDB has opened without an error: a log is missing, or the
 * list of its tables ends too early. Such a loss includes everything in one log, or everything from one write
 * on (within one log the checksums detect it: `write-ahead-log.ts`).
 *
 * Each write has a number, and writes it to the database. The numbers of the first and the last write of each
 * log stay; later writes delete those between. So if a log is lost, a number is missing, and the next log
 * shows which number that must be.
 */
export class WriteWitness {
  /** The last completed write. */
  #last: number;
  /** The first write of the log that took the last write. */
  #first: number;
  #log: string | undefined;
  /** The numbers that are in the database, in order. */
  #kept: number[];
  /** The numbers that the next write deletes. */
  #dropped: readonly number[] = [];

  private constructor(kept: number[], last: number) {
    this.#kept = kept;
    this.#last = last;
    // All earlier writes became tables when the database was opened.
    this.#first = last;
  }

  /**
   * For a database that was just opened. `mark`: the synced writes; undefined if unknown. Errors: LOG_CORRUPT
   * if any of them is missing.
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

  /** Additional entries for the next write. */
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

  /** The write is done, and `log` took it. Returns whether it is the first write of that log. */
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

/** The number of a missing write with existing later ones; undefined if there is none. */
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
