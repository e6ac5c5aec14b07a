import { mkdir } from 'node:fs/promises';
import binding from 'rocksdb/binding.js';
import type { Database, DatabaseEntry, DatabaseWrite, KeyRange, OpenDatabase } from '../model/database.js';
import { databaseClosed, databaseError, emptyKey } from './database-errors.js';

/**
 * There is one database per task, so a process may have dozens. What one costs in memory, at most:
 *
 * - 8 MB block cache. Blocks that fall out of it are still in the operating system's page cache, which costs no memory of the process.
 * - 2 × 8 MB memtables: one being written, one being flushed. Smaller ones mean more files and more compaction.
 * - index and filter of every open file: about 1 MB per file of 64 MB (10 bits per key, one index entry per block). 10 million keys of 150 bytes
 *   are 24 files, 10 GB are 160.
 */
const OPTIONS = {
  createIfMissing: true,
  compression: true,
  cacheSize: 8 * 1024 * 1024,
  writeBufferSize: 8 * 1024 * 1024,
  blockSize: 4 * 1024,
  // Bounded: with "unlimited" RocksDB opens every file when it opens the database, and reads the index and filter of each.
  maxOpenFiles: 256,
} as const;

/**
 * One call reads its keys one after the other on one thread of the pool: 5 µs a key that is there, 0.6 µs a key that is not, against 0.7 and 0.3 µs on
 * this thread. Two calls take 40 % less time for the same work; more than two gained nothing with two processors. Below this many keys the second
 * call costs what it saves.
 */
const MIN_SPLIT_KEYS = 128;
const SCAN_CHUNK_BYTES = 64 * 1024;
const SCAN_CHUNK_ENTRIES = 500;
const MAX_INT32 = 2 ** 31 - 1;
/** A batch keeps the memory of its largest use: one that grew beyond this (a restore) is dropped instead of used again. */
const MAX_IDLE_BATCH_BYTES = 4 * 1024 * 1024;

/**
 * Opens (creates) a RocksDB database in a directory, with the directories above it.
 *
 * Cost: at most about 25 MB of memory per database and 1.6 % of the data for indexes and filters of open files; opening reads the log of the last
 * writes (at most 16 MB) and the tables of at most 64 files, not the data. Point reads check the checksum of what they read, scans do not.
 *
 * After a failed write RocksDB may refuse every later one: close the database and open it again. After a power failure, writes since the last one with
 * `sync` may be missing, always the latest ones, never from the middle.
 *
 * Errors: STATE_LOCKED (open elsewhere), STATE_CORRUPT (checksums, missing files), STATE_IO (disk full, no permission, used after close).
 */
export const openRocksDatabase: OpenDatabase = async (directory) => {
  const handle = binding.db_init();
  try {
    await mkdir(directory, { recursive: true });
    await native((done) => binding.db_open(handle, directory, OPTIONS, done));
  } catch (error) {
    throw databaseError('cannot open the database', directory, error);
  }
  return new RocksDatabase(handle, directory);
};

class RocksDatabase implements Database {
  readonly #handle: object;
  readonly #directory: string;
  #lastWrite: Promise<void> = Promise.resolve();
  #writesUnderWay = 0;
  #idleBatch: object | null = null;
  #closing: Promise<void> | null = null;

  constructor(handle: object, directory: string) {
    this.#handle = handle;
    this.#directory = directory;
  }

  async getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    this.#checkOpen('read');
    if (keys.length === 0) return [];
    for (const key of keys) if (key.length === 0) throw emptyKey('read', this.#directory);
    try {
      // Each part has its own snapshot: with a write under way one could show it and the other not.
      if (keys.length < MIN_SPLIT_KEYS || this.#writesUnderWay > 0) return await this.#getPart(keys);
      const half = keys.length >>> 1;
      const [first, second] = await Promise.all([this.#getPart(keys.slice(0, half)), this.#getPart(keys.slice(half))]);
      for (const value of second) first.push(value);
      return first;
    } catch (error) {
      throw databaseError('cannot read', this.#directory, error);
    }
  }

  async write(writes: readonly DatabaseWrite[], options: { readonly sync?: boolean } = {}): Promise<void> {
    this.#checkOpen('write');
    for (const { key } of writes) if (key.length === 0) throw emptyKey('write', this.#directory);
    if (writes.length === 0) return;

    // Copied at once, so that the caller's buffers are its own again, even if an earlier write has to finish first.
    const batch = this.#idleBatch ?? binding.batch_init(this.#handle);
    this.#idleBatch = null;
    let bytes = 0;
    for (const { key, value } of writes) {
      if (value === null) binding.batch_del(batch, key);
      else binding.batch_put(batch, key, value.length === 0 ? undefined : value);
      bytes += key.length + (value?.length ?? 0);
    }
    this.#writesUnderWay++;
    // One after the other: two writes handed to the thread pool at once may be applied in either order.
    const written = this.#lastWrite.then(() =>
      native((done) => binding.batch_write(batch, { sync: options.sync ?? false }, done)),
    );
    this.#lastWrite = written.then(ignore, ignore);
    try {
      await written;
    } catch (error) {
      throw databaseError('cannot write', this.#directory, error);
    } finally {
      this.#writesUnderWay--;
      binding.batch_clear(batch);
      if (bytes <= MAX_IDLE_BATCH_BYTES) this.#idleBatch = batch;
    }
  }

  async *scan(range: KeyRange): AsyncGenerator<readonly DatabaseEntry[]> {
    this.#checkOpen('scan');
    const { gte, lt, reverse = false, limit } = range;
    // The binding takes an empty bound for none, and no key is below the empty one.
    if (limit === 0 || lt?.length === 0) return;
    const iterator = binding.iterator_init(this.#handle, {
      gte,
      lt,
      reverse,
      limit: limit === undefined ? -1 : Math.min(limit, MAX_INT32),
      // A scan would push the keys that are read over and over out of the cache.
      fillCache: false,
      highWaterMark: SCAN_CHUNK_BYTES,
    });
    try {
      for (let finished = false; !finished; ) {
        this.#checkOpen('scan');
        const chunk = await this.#next(iterator);
        finished = chunk.finished;
        for (let start = 0; start < chunk.entries.length; start += SCAN_CHUNK_ENTRIES) {
          yield chunk.entries.slice(start, start + SCAN_CHUNK_ENTRIES);
        }
      }
    } finally {
      // Not waited for: it cannot fail, and closing waits for it. If closing has come first, it has ended the iterator and this does nothing.
      binding.iterator_end(iterator, ignore);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#lastWrite.then(() => native((done) => binding.db_close(this.#handle, done)));
    return this.#closing;
  }

  #getPart(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    return new Promise((resolve, reject) => {
      binding.db_get_many(this.#handle, keys, { asBuffer: true, fillCache: true }, (error, values) =>
        error ? reject(error) : resolve(values),
      );
    });
  }

  #next(iterator: object): Promise<{ readonly entries: DatabaseEntry[]; readonly finished: boolean }> {
    return new Promise((resolve, reject) => {
      binding.iterator_next(iterator, (error, backwards, finished) => {
        if (error) return reject(databaseError('cannot scan', this.#directory, error));
        const entries: DatabaseEntry[] = [];
        for (let i = backwards.length - 1; i > 0; i -= 2)
          entries.push([backwards[i] as Buffer, backwards[i - 1] as Buffer]);
        resolve({ entries, finished });
      });
    });
  }

  #checkOpen(action: string): void {
    if (this.#closing) throw databaseClosed(action, this.#directory);
  }
}

function native(call: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => (error ? reject(error) : resolve()));
  });
}

function ignore(): void {}
