import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { serdes } from '#src/serdes/serdes.js';
import { CacheBudget } from '#src/state/cache/cache-budget.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import { TaskState } from '#src/state/store/task-state.js';
import { temporaryDirectory } from '../../support/project.js';

const ROWS = 60_000;
const ROW_BYTES = 1_000;

/** Bytes this process has asked the system to read so far. */
const bytesRead = (): number => Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);

/** Of the binding, which has no types, what millrace itself does not use. */
interface RocksModule {
  readonly default: new (
    path: string,
  ) => { ready(): Promise<void>; compactRange(): Promise<void>; close(): Promise<void> };
}

/** Writes the log of the last writes to tables, and merges them: RocksDB does both in the background, at whatever time, and what it reads for it would be counted as that of an opening. */
async function tidyUp(directory: string): Promise<void> {
  const { default: RocksDB } = (await import('rocksdb-native' as string)) as RocksModule;
  const database = new RocksDB(join(directory, 'db'));
  await database.ready();
  await database.compactRange();
  await database.close();
}

// Only Linux says how much a process has read.
const onLinux = existsSync('/proc/self/io') ? describe : () => undefined;

onLinux('opening a task with much state', () => {
  it('reads a small part of it: tables are opened, rows are not read', async () => {
    const root = temporaryDirectory();
    const stores = [
      { name: 'rows', kind: 'keyValue' as const, key: serdes.string, value: serdes.bytes, ttlMs: 86_400_000 },
    ];
    const open = (): Promise<TaskState> =>
      TaskState.open({
        root,
        applicationId: 'app',
        taskId: 'in-0',
        topology: 't',
        openDatabase: openRocksDatabase,
        stores,
        budget: new CacheBudget(1 << 20),
      });

    const filled = await open();
    const store = filled.store<string, Buffer>('rows');
    for (let row = 0; row < ROWS; ) {
      for (const end = row + 10_000; row < end; row++)
        store.put(`key-${row}`, Buffer.alloc(ROW_BYTES, row.toString(36)), row);
      const { writes } = await filled.prepare();
      await filled.apply(writes, { sources: { in: row }, changelogs: {} }, row);
      filled.evict();
    }
    await filled.close();
    await tidyUp(filled.directory);

    const before = bytesRead();
    const reopened = await open();
    const read = bytesRead() - before;
    assert.deepEqual(reopened.checkpoint.sources, { in: ROWS });
    assert.equal((await reopened.store<string, Buffer>('rows').load('key-777'))?.length, ROW_BYTES);
    await reopened.close();
    assert.ok(read < (ROWS * ROW_BYTES) / 10, `read ${read} of ${ROWS * ROW_BYTES} bytes`);
  });
});
