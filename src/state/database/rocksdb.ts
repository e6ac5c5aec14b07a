import type { default as RocksDB, RocksIterator } from 'rocksdb-native';
import { makePrivateDirectory } from '../../files/write.js';
import type {
  Database,
  DatabaseContent,
  DatabaseEntry,
  DatabaseWrite,
  KeyRange,
  OpenDatabase,
} from '../../model/database.js';
import { databaseClosed, databaseDamaged, databaseError, databaseUnsupported, emptyKey } from './database-errors.js';
import { MAX_OPEN_TABLES } from './open-files.js';
import { BoundLog } from './rocksdb-log.js';
import { SyncedFiles } from './synced-files.js';
import { lacksCurrent } from './synced-mark.js';
import { SyncedWrites } from './synced-writes.js';

/**
 * There is one database per task, so a process may have dozens. Maximum memory of one:
 *
 * - 2 × 8 MB memtables: one being written, one being flushed. Smaller ones mean more files and more
 *   compaction.
 * - index and filter of every open file: about 1 MB per file of 64 MB (10 bits per key, one index entry per
 *   block). 10 million keys of 150 bytes are 24 files, 10 GB are 160.
 *
 * Data blocks are not cached: the operating system's page cache has those in use, which costs no memory of
 * the process.
 */
const OPTIONS = {
  createIfMissing: true,
  maxBackgroundJobs: 2,
  // Bounded: with "unlimited", RocksDB opens every file when it opens the database, and reads the index and
  // filter of each.
  maxOpenFiles: MAX_OPEN_TABLES,
  maxFileOpeningThreads: 1,
  skipStatsUpdateOnOpen: true,
  writeBufferSize: 8 * 1024 * 1024,
  maxWriteBufferNumber: 2,
  tableBlockSize: 4 * 1024,
  tableCacheIndexAndFilterBlocks: false,
  blockCache: false,
} as const;

/**
 * One call reads its keys on one thread of the pool: 7.4 µs per present key, 3.2 µs per absent one. Two
 * parallel calls took 5.6 to 6.4 and 2.1 to 2.3 µs per key for the same work, with two processors. With fewer
 * keys than this, the second call costs as much as it saves.
 */
const MIN_SPLIT_KEYS = 128;
/**
 * Number of entries that a scan reads at a time: values may be large, and larger reads of small ones are not
 * faster.
 */
const SCAN_ENTRIES = 16;
const SCAN_CHUNK_ENTRIES = 500;
const SCAN_CHUNK_BYTES = 64 * 1024;

/**
 * Opens (creates) a RocksDB database in a directory, with the directories above it.
 *
 * Cost: at most 16 MB of memory per database for data that is not in a table yet. Indexes and filters of open
 * files take 1.6 % of the data. Opening reads the log of the last writes (at most 16 MB) and the tables of at
 * most 64 files, not the data. Reads check the checksum of what they read.
 *
 * After a failed write RocksDB may refuse every later one: close the database and open it again. After a
 * power failure, writes since the last one with `sync` may be missing: always the latest ones, never from the
 * middle. For a `log` this is checked at each opening, at the cost of one more key per write and a few bytes
 * in a file after each sync.
 *
 * Errors: STATE_LOCKED (open elsewhere), STATE_CORRUPT (checksums, missing files; LOG_CORRUPT for a log, also
 * if synced writes are missing), STATE_IO (disk full, no permission, too many open files, used after close),
 * STATE_UNSUPPORTED (the machine cannot load it).
 */
export const openRocksDatabase: OpenDatabase = async (directory, { content = 'state' } = {}) => {
  const { default: Native } = await loaded();
  try {
    await makePrivateDirectory(directory);
    if (await lacksCurrent(directory)) {
      const saw = 'files of a database, but no CURRENT file, which identifies the valid ones';
      throw databaseDamaged(content, { what: 'cannot open the database', at: directory, saw });
    }
    const expected = content === 'log' ? await SyncedWrites.expected(directory) : undefined;
    const native = new Native(directory, OPTIONS);
    await native.ready();
    const log = new BoundLog(directory);
    await log.forgetOld();
    const database = new RocksDatabase(native, directory, log, content);
    try {
      if (content === 'log') database.synced = await SyncedWrites.of(database, directory, expected);
    } catch (error) {
      await database.close().catch(ignore);
      throw error;
    }
    return database;
  } catch (error) {
    throw databaseError('cannot open the database', directory, error, content);
  }
};

/**
 * Loaded with the first database: programs with state in memory (the test driver) or without state need no
 * native module.
 */
async function loaded(): Promise<typeof import('rocksdb-native')> {
  try {
    return await import('rocksdb-native');
  } catch (error) {
    throw databaseUnsupported(error);
  }
}

class RocksDatabase implements Database {
  readonly #database: RocksDB;
  readonly #directory: string;
  readonly #scans = new Set<RocksIterator>();
  readonly #log: BoundLog;
  readonly #content: DatabaseContent;
  readonly #files: SyncedFiles;
  /** Only for a log: what it must contain when it is opened again. */
  synced: SyncedWrites | undefined;
  #lastWrite: Promise<void> = Promise.resolve();
  #writesUnderWay = 0;
  #closing: Promise<void> | null = null;

  constructor(database: RocksDB, directory: string, log: BoundLog, content: DatabaseContent) {
    this.#database = database;
    this.#directory = directory;
    this.#log = log;
    this.#content = content;
    this.#files = new SyncedFiles(directory);
  }

  async getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    this.#checkOpen('read');
    this.#log.called();
    if (keys.length === 0) return [];
    for (const key of keys) if (key.length === 0) throw emptyKey('read', this.#directory);
    try {
      if (keys.length < MIN_SPLIT_KEYS) return await getPart(this.#database, keys);
      if (this.#writesUnderWay === 0) return await getHalves(this.#database, keys);
      // One part could show a running write, and the other not.
      const snapshot = this.#database.snapshot();
      return await getHalves(snapshot, keys).finally(() => snapshot.close());
    } catch (error) {
      throw databaseError('cannot read', this.#directory, error, this.#content);
    }
  }

  async write(writes: readonly DatabaseWrite[], options: { readonly sync?: boolean } = {}): Promise<void> {
    this.#checkOpen('write');
    this.#log.called();
    for (const { key } of writes) if (key.length === 0) throw emptyKey('write', this.#directory);
    if (writes.length === 0) return;

    this.#writesUnderWay++;
    // One after the other: the thread pool may apply two simultaneous writes in either order.
    const written = this.#lastWrite.then(() => this.#write(writes, options.sync ?? false));
    this.#lastWrite = written.then(ignore, ignore);
    try {
      await written;
    } catch (error) {
      throw databaseError('cannot write', this.#directory, error, this.#content);
    } finally {
      this.#writesUnderWay--;
    }
  }

  async *scan({ gte, lt, reverse = false, limit }: KeyRange): AsyncGenerator<readonly DatabaseEntry[]> {
    this.#checkOpen('scan');
    // The binding treats an empty bound as none, and no key is below the empty one.
    if (limit === 0 || lt?.length === 0) return;
    // Without a snapshot, the scan would see the content at the time when a thread starts it.
    const snapshot = this.#database.snapshot();
    const range = { ...(gte && { gte }), ...(lt && { lt }), reverse, ...(limit !== undefined && { limit }) };
    const iterator = snapshot.iterator(range, { capacity: Math.min(SCAN_ENTRIES, limit ?? SCAN_ENTRIES) });
    this.#scans.add(iterator);
    try {
      let chunk: DatabaseEntry[] = [];
      let bytes = 0;
      // The first chunks are small: many scans end after their first entries.
      let most = SCAN_ENTRIES;
      for await (const { key, value } of iterator) {
        chunk.push([key, value]);
        bytes += key.length + value.length;
        if (chunk.length < most && bytes < SCAN_CHUNK_BYTES) continue;
        yield chunk;
        this.#checkOpen('scan');
        chunk = [];
        bytes = 0;
        most = Math.min(2 * most, SCAN_CHUNK_ENTRIES);
      }
      this.#checkOpen('scan');
      if (chunk.length > 0) yield chunk;
    } catch (error) {
      this.#checkOpen('scan');
      throw databaseError('cannot scan', this.#directory, error, this.#content);
    } finally {
      this.#scans.delete(iterator);
      iterator.destroy();
      void snapshot.close();
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#lastWrite.then(() => this.#close());
    return this.#closing;
  }

  async #close(): Promise<void> {
    // The consumer of an open scan may never continue it.
    for (const iterator of this.#scans) iterator.destroy();
    // Unsynced writes are not guaranteed: if the disk accepts no more, the next opening does not expect them.
    if (this.synced?.isBehind)
      await this.#database
        .currentWalFile()
        .then((log) => this.#sync(log))
        .catch(ignore);
    await this.synced?.close();
    await this.#files.close();
    await this.#database.close();
  }

  async #write(writes: readonly DatabaseWrite[], sync: boolean): Promise<void> {
    const { synced } = this;
    const own = synced?.entries() ?? [];
    const batch = this.#database.write({ capacity: writes.length + own.length, autoDestroy: true });
    for (const { key, value } of writes) {
      if (value === null) batch.tryDelete(key);
      else batch.tryPut(key, value);
    }
    for (const { key, value } of own) {
      if (value === null) batch.tryDelete(key);
      else batch.tryPut(key, value);
    }
    try {
      await batch.flush();
    } catch (error) {
      this.#files.distrust();
      throw error;
    }
    if (!sync && !synced) return;
    const log = await this.#database.currentWalFile();
    // The first write of a log also syncs all earlier writes, so that after a power failure no log ends
    // before the next begins.
    const begins = synced?.written(log.path);
    if (sync || begins) await this.#sync(log);
  }

  async #sync(log: { readonly path: string; readonly size: number }): Promise<void> {
    await this.#files.sync(log);
    await this.synced?.sync(this.#files.lengths);
  }

  #checkOpen(action: string): void {
    if (this.#closing) throw databaseClosed(action, this.#directory);
  }
}

async function getHalves(database: RocksDB, keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
  const half = keys.length >>> 1;
  const parts = [getPart(database, keys.slice(0, half)), getPart(database, keys.slice(half))] as const;
  try {
    const [first, second] = await Promise.all(parts);
    return first.concat(second);
  } finally {
    // If one fails, the other is still running.
    await Promise.allSettled(parts);
  }
}

async function getPart(database: RocksDB, keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
  const batch = database.read({ capacity: keys.length, autoDestroy: true });
  const answers = Promise.all(keys.map((key) => batch.get(key)));
  batch.tryFlush();
  const values = await answers;
  return values.map((value) => value ?? undefined);
}

function ignore(): void {}
