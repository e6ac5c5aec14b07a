/** A key and its new value; null deletes the key. */
export interface DatabaseWrite {
  readonly key: Buffer;
  readonly value: Buffer | null;
}

export type DatabaseEntry = readonly [key: Buffer, value: Buffer];

export interface KeyRange {
  /** First key, inclusive. Default: the lowest. */
  readonly gte?: Buffer;
  /** Last key, exclusive. Default: past the highest. */
  readonly lt?: Buffer;
  readonly reverse?: boolean;
  /** At most that many entries in all. */
  readonly limit?: number;
}

/**
 * An ordered map of bytes, kept on disk or in memory. Keys are in byte order. What RocksDB gives, and no
 * more: read in batches, write in batches, scan.
 */
export interface Database {
  /**
   * The values of the keys, in their order; undefined where a key is absent. One round trip however many
   * keys, which must not be changed before it has answered.
   */
  getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]>;
  /**
   * All writes or none, in order (the last write of a key wins); neither they nor their bytes may be changed
   * before it has resolved. `sync` returns only when the disk has them.
   */
  write(writes: readonly DatabaseWrite[], options?: { readonly sync?: boolean }): Promise<void>;
  /**
   * The entries of a range as they were when the scan began, in chunks of at most a few hundred. Stop early
   * by leaving the loop.
   */
  scan(range: KeyRange): AsyncIterable<readonly DatabaseEntry[]>;
  /** Waits for what is under way, then releases the files. Calling it again does nothing. */
  close(): Promise<void>;
}

/**
 * What a database is for. `state` can be made again from topics. A `log` is the topics themselves: nothing
 * else has its content, so its loss has to be noticed, and nobody may be told to delete it.
 */
export type DatabaseContent = 'state' | 'log';

/**
 * Opens (creates) the database in a directory. For one owner: a second opening, from this process or another,
 * fails with STATE_LOCKED while the first is open. A memory database takes the directory as a name and keeps
 * its content for the next opening, so that a test can crash and restart.
 *
 * `content` (default: `state`): of a `log` on disk every write that was synced is there again when it is
 * opened, or the opening fails with LOG_CORRUPT.
 */
export type OpenDatabase = (directory: string, options?: { readonly content?: DatabaseContent }) => Promise<Database>;
