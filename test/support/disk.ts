import type { OpenDatabase } from '#src/model/database.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';

let calls = 0;

async function counted<T>(call: Promise<T>): Promise<T> {
  calls++;
  try {
    return await call;
  } finally {
    calls--;
  }
}

/** RocksDB, for engines on a virtual clock: see {@link diskAtWork}. */
export const openOnDisk: OpenDatabase = async (directory) => {
  const database = await counted(openRocksDatabase(directory));
  return {
    getMany: (keys) => counted(database.getMany(keys)),
    scan: (range) => database.scan(range),
    write: (writes, options) => counted(database.write(writes, options)),
    close: () => counted(database.close()),
  };
};

/** Whether a database or the file system is at work. Virtual time may not pass meanwhile: a limit would be over at once. */
export const diskAtWork = (): boolean =>
  calls > 0 || process.getActiveResourcesInfo().some((resource) => resource.startsWith('FSReq'));
