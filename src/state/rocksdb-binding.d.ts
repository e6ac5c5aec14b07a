/**
 * The native functions of rocksdb 5.2.1 that `rocksdb.ts` calls (binding.cc). The package has no types. Nothing here checks its arguments: a
 * call before `db_open` has answered, or after `db_close`, ends the process; an option that is present must have its type.
 */
declare module 'rocksdb/binding.js' {
  type Callback = (error: Error | null) => void;

  interface RocksBinding {
    db_init(): object;
    db_open(
      database: object,
      location: string,
      options: {
        readonly createIfMissing: boolean;
        readonly compression: boolean;
        readonly cacheSize: number;
        readonly writeBufferSize: number;
        readonly blockSize: number;
        readonly maxOpenFiles: number;
      },
      callback: Callback,
    ): void;
    /** Waits for reads and writes under way, and ends the iterators. */
    db_close(database: object, callback: Callback): void;
    /** Takes its snapshot and copies the keys before it returns. Leaves out empty keys, which moves the values behind them. */
    db_get_many(
      database: object,
      keys: readonly Buffer[],
      options: { readonly asBuffer: boolean; readonly fillCache: boolean },
      callback: (error: Error | null, values: (Buffer | undefined)[]) => void,
    ): void;

    batch_init(database: object): object;
    /** Copies both. A value of undefined is the empty value; an empty Buffer is too, but leaks 32 bytes a call. */
    batch_put(batch: object, key: Buffer, value: Buffer | undefined): void;
    batch_del(batch: object, key: Buffer): void;
    /** Empties the batch; it keeps its memory. */
    batch_clear(batch: object): void;
    batch_write(batch: object, options: { readonly sync: boolean }, callback: Callback): void;

    /** Takes its snapshot before it returns. An empty bound is no bound. */
    iterator_init(
      database: object,
      options: {
        readonly gte: Buffer | undefined;
        readonly lt: Buffer | undefined;
        readonly reverse: boolean;
        readonly limit: number;
        readonly fillCache: boolean;
        readonly highWaterMark: number;
      },
    ): object;
    /** The next entries, last first, each as value, key: the first time one entry, then at most 1000 or about highWaterMark bytes. */
    iterator_next(
      iterator: object,
      callback: (error: Error | null, entries: Buffer[], finished: boolean) => void,
    ): void;
    /** Does nothing, and never calls back, if the iterator has been ended before, also by `db_close`. */
    iterator_end(iterator: object, callback: Callback): void;
  }

  const binding: RocksBinding;
  export default binding;
}
