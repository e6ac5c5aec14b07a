/**
 * What `rocksdb.ts` uses of rocksdb-native 3.18, which has no types. Buffers are handed on as they are, to be
 * read by a thread of the pool: they must not change until the call has answered.
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
    /** Reads all keys in one call; its own promise says nothing. */
    tryFlush(): void;
  }

  interface WriteBatch {
    tryPut(key: Buffer, value: Buffer): void;
    tryDelete(key: Buffer): void;
    /** Writes all, or nothing. An error has that of RocksDB as its cause. */
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
    /** How many operations it has room for. */
    readonly capacity: number;
    /** It frees itself once it was flushed. */
    readonly autoDestroy: boolean;
  }

  class RocksDB {
    constructor(path: string, options: RocksOptions);
    /** Opens it. */
    ready(): Promise<void>;
    /** A view of what is there now, to be closed. Only once it is open. */
    snapshot(): RocksDB;
    read(options: BatchOptions): ReadBatch;
    write(options: BatchOptions): WriteBatch;
    /** @param options `capacity`: how many entries it reads at a time. */
    iterator(range: Range, options: { readonly capacity: number }): RocksIterator;
    /**
     * The log that took the last write, below the directory; `size` in bytes. It begins another one only in
     * front of a write.
     */
    currentWalFile(): Promise<{ readonly path: string; readonly size: number }>;
    /** Of the database itself: waits for everything that is under way, iterators too. */
    close(): Promise<void>;
  }

  export default RocksDB;
}
