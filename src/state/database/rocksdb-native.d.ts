/**
 * The part of rocksdb-native 3.18 that `rocksdb.ts` uses; the package has no types. Buffers are passed
 * without a copy, and a thread of the pool reads them: they must not change until the call has completed.
 */
declare module 'rocksdb-native' {
  interface RocksOptions {
    readonly createIfMissing: boolean;
    readonly maxBackgroundJobs: number;
    readonly maxOpenFiles: number;
    readonly writeBufferSize: number;
    readonly maxWriteBufferNumber: number;
    readonly tableBlockSize: number;
    readonly tableCacheIndexAndFilterBlocks: boolean;
    readonly blockCache: boolean;
    readonly skipStatsUpdateOnOpen: boolean;
    readonly maxFileOpeningThreads: number;
  }

  interface ReadBatch {
    /** Null if the key is absent. */
    get(key: Buffer): Promise<Buffer | null>;
    /** Reads all keys in one call; its own promise has no information. */
    tryFlush(): void;
  }

  interface WriteBatch {
    tryPut(key: Buffer, value: Buffer): void;
    tryDelete(key: Buffer): void;
    /** Writes all, or nothing. The cause of an error is RocksDB's error. */
    flush(): Promise<void>;
  }

  interface Range {
    readonly gte?: Buffer;
    readonly lt?: Buffer;
    readonly reverse?: boolean;
    readonly limit?: number;
  }

  export interface RocksIterator extends AsyncIterable<{ readonly key: Buffer; readonly value: Buffer }> {
    destroy(): void;
  }

  interface BatchOptions {
    /** Capacity in operations. */
    readonly capacity: number;
    /** Frees itself after the flush. */
    readonly autoDestroy: boolean;
  }

  class RocksDB {
    constructor(path: string, options: RocksOptions);
    /** Opens it. */
    ready(): Promise<void>;
    /** A view of the current content, which must be closed. Only after the database is open. */
    snapshot(): RocksDB;
    read(options: BatchOptions): ReadBatch;
    write(options: BatchOptions): WriteBatch;
    /**
     * @param options `capacity`: number of entries read at a time.
     */
    iterator(range: Range, options: { readonly capacity: number }): RocksIterator;
    /**
     * The log that took the last write, relative to the directory; `size` in bytes. A new log begins only
     * before a write.
     */
    currentWalFile(): Promise<{ readonly path: string; readonly size: number }>;
    /** On the database itself: waits for all running operations, including iterators. */
    close(): Promise<void>;
  }

  export default RocksDB;
}
