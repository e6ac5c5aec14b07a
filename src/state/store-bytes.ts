import type { Database, DatabaseWrite, KeyRange } from '../model/database.js';
import { after, KIND, PREFIX_BYTES, prefixOf } from './layout.js';

/** Where a store lies: its rows by their bytes, as the last commit left them. */
export interface StoreBytes {
  readonly database: Database;
  readonly storeId: number;
}

/** A row as it is on disk: the key as the changelog has it, the value with the timestamp before it. */
export interface StoredRow {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Rows in the order of their keys, some hundreds at a time. */
export async function* storedRows({ database, storeId }: StoreBytes): AsyncGenerator<readonly StoredRow[]> {
  const gte = prefixOf(storeId, KIND.rows);
  for await (const chunk of database.scan({ gte, lt: after(gte) }))
    yield chunk.map(([key, value]) => ({ key: key.subarray(PREFIX_BYTES), value }));
}

/**
 * Copies everything of a store under the number of another, which must be empty: rows, and the index of what
 * expires. On disk when it resolves. Told how many entries each write had.
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

/** Removes everything of a store; on disk when it resolves, so that its number may be given to another. */
export function removeStore({ database, storeId }: StoreBytes, removed: (entries: number) => void): Promise<void> {
  const writes = async function* (): AsyncGenerator<readonly DatabaseWrite[]> {
    for await (const chunk of database.scan(everythingOf(storeId))) yield chunk.map(([key]) => ({ key, value: null }));
  };
  return writeAll(database, writes(), removed);
}

/** Rows of all kinds of a store's entries: those behind its two bytes. */
function everythingOf(storeId: number): KeyRange {
  const gte = prefixOf(storeId, KIND.rows).subarray(0, PREFIX_BYTES - 1);
  return { gte, lt: after(gte) };
}

/** Only the last write waits for the disk, which then has those before it, too. */
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
