import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { serdes } from '#src/serdes/serdes.js';
import { CacheBudget } from '#src/state/cache-budget.js';
import { openRocksDatabase } from '#src/state/rocksdb.js';
import { TaskState } from '#src/state/task-state.js';
import { temporaryDirectory } from '../support/project.js';

const ROWS = 60_000;
const ROW_BYTES = 1_000;

/** Bytes this process has asked the system to read so far. */
const bytesRead = (): number => Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);

// Only Linux says how much a process has read.
const onLinux = existsSync('/proc/self/io') ? describe : () => undefined;

onLinux('opening a task with much state', () => {
  it('reads a small part of it: tables are opened, rows are not read', async function () {
    this.timeout(60_000);
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

    // Once more: the first opening may finish writing what the log of the last writes still holds.
    await (await open()).close();
    const before = bytesRead();
    const reopened = await open();
    const read = bytesRead() - before;
    assert.deepEqual(reopened.checkpoint.sources, { in: ROWS });
    assert.equal((await reopened.store<string, Buffer>('rows').load('key-777'))?.length, ROW_BYTES);
    await reopened.close();
    assert.ok(read < (ROWS * ROW_BYTES) / 10, `read ${read} of ${ROWS * ROW_BYTES} bytes`);
  });
});
