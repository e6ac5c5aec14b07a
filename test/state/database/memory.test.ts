import assert from 'node:assert/strict';
import { memoryDatabases } from '#src/state/database/memory.js';
import { databaseContract } from './database.contract.js';

databaseContract('memory', async () => ({ open: memoryDatabases(), directory: 'task-0_0' }));

describe('memory databases', () => {
  it('of two namespaces have nothing in common, not even a lock', async () => {
    const first = await memoryDatabases()('task');
    const second = await memoryDatabases()('task');
    await first.write([{ key: Buffer.from('a'), value: Buffer.from('1') }]);
    assert.deepEqual(await second.getMany([Buffer.from('a')]), [undefined]);
    await Promise.all([first.close(), second.close()]);
  });

  it('apply a write before the caller goes on, so that a test under virtual time needs no waiting', async () => {
    const database = await memoryDatabases()('task');
    void database.write([{ key: Buffer.from('a'), value: Buffer.from('1') }]);
    assert.deepEqual(await database.getMany([Buffer.from('a')]), [Buffer.from('1')]);
    await database.close();
  });
});
