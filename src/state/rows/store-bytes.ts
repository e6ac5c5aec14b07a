import type { Database, DatabaseWrite, KeyRange } from '../../model/database.js';
import { after, KIND, PREFIX_BYTES, prefixOf } from '../layout.js';

/** The location of a store: its rows as bytes, as of the last commit. */
export interface StoreBytes {
  readonly database: Database;
  readonly storeId: number;
}

/** A row as it is on disk: the key in its changelog form, the value after its timestamp. */
export interface StoredRow {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Rows in key order, some hundreds at a time. */
export async function* storedRows({ database, storeId }: StoreBytes): AsyncGenerator<readonly StoredRow[]> {
  const gte = prefixOf(storeId, KIND.rows);
  for await (const chunk of database.scan({ gte, lt: after(gte) }))
    yield chunk.map(([key, value]) => ({ key: key.subarray(PREFIX_BYTES), value }));
}

/**
 * Copies all entries of a store, rows and expiry index, to the number of another store, which must be empty.
 * Everything is on disk when it resolves. `copied` is called with the number of entries of each write.
 */
export function copyStore(from: StoreBytes, to: StoreBytes, copied: (entries: number) => void): Promise<void> {
  const writes = async function* (): AsyncGenerator<readonly DatabaseWrite[]> {
    for await (const chunk of from.database.scan(everythingOf(from.storeId))) {
      yield chunk.map(([key, value]) => {
        const moved = Buffer.from(key);
        moved.writeUInt16BE(to.storeId, 0);
        return { key: moved, value };
      });
    }
  };
  return writeAll(to.database, writes(), copied);
}

/**
 * Removes all entries of a store. The removal is on disk when it resolves, so that another store can get the
 * number.
 */
export function removeStore({ database, storeId }: StoreBytes, removed: (entries: number) => void): Promise<void> {
  const writes = async function* (): AsyncGenerator<readonly DatabaseWrite[]> {
    for await (const chunk of database.scan(everythingOf(storeId))) yield chunk.map(([key]) => ({ key, value: null }));
  };
  return writeAll(database, writes(), removed);
}

/** The range of all kinds of entries of a store: the keys with its two-byte prefix. */
function everythingOf(storeId: number): KeyRange {
  const gte = prefixOf(storeId, KIND.rows).subarray(0, PREFIX_BYTES - 1);
  return { gte, lt: after(gte) };
}

/** Only the last write waits for the disk, which then has the earlier writes, too. */
async function writeAll(
  database: Database,
  chunks: AsyncIterable<readonly DatabaseWrite[]>,
  wrote: (entries: number) => void,
): Promise<void> {
  let last: readonly DatabaseWrite[] | undefined;
  for await (const chunk of chunks) {
    if (last) await database.write(last);
    last = chunk;
    wrote(chunk.length);
  }
  if (last) await database.write(last, { sync: true });
}
