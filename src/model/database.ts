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
  /** The maximum number of entries in total. */
  readonly limit?: number;
}

/**
 * An ordered map of bytes, on disk or in memory, in the byte order of its keys. It offers what RocksDB does,
 * and no more: batched reads, batched writes and scans.
 */
export interface Database {
  /**
   * The values of the keys, in the same order; undefined for an absent key. One round trip for any number of
   * keys. The caller must not change the keys before the promise resolves.
   */
  getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]>;
  /**
   * Applies all writes or none, in order (the last write of a key wins). The caller must not change the
   * writes or their bytes before the promise resolves. With `sync` it resolves only when the data is on disk.
   */
  write(writes: readonly DatabaseWrite[], options?: { readonly sync?: boolean }): Promise<void>;
  /**
   * The entries of a range as of the start of the scan, in chunks of at most a few hundred. To stop early,
   * leave the loop.
   */
  scan(range: KeyRange): AsyncIterable<readonly DatabaseEntry[]>;
  /** Waits for operations in progress, then releases the files. A second call does nothing. */
  close(): Promise<void>;
}

/**
 * The purpose of a database. `state` can be rebuilt from topics. A `log` is the topics themselves. Its
 * content exists nowhere else, so a loss must be detected, and no message may advise deleting it.
 */
export type DatabaseContent = 'state' | 'log';

/**
 * Opens or creates the database in a directory, for a single owner. While it is open, a second opening, from
 * this process or another, fails with STATE_LOCKED. A memory database uses the directory as a name and keeps
 * its content for the next opening, so that a test can crash and restart.
 *
 * `content` (default: `state`): when a `log` on disk is opened, every synced write must be present. Otherwise
 * the opening fails with LOG_CORRUPT.
 */
export type OpenDatabase = (directory: string, options?: { readonly content?: DatabaseContent }) => Promise<Database>;
