import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import { openTaskDirectory, type TaskDirectory } from '#src/state/directory/directory.js';
import { diskIdentityFiles, type IdentityFiles } from '#src/state/directory/identity-files.js';
import { isStreamsError, put, temporaryDirectories } from '../support.js';

describe('the directory of a task on disk', () => {
  const temporary = temporaryDirectories();
  let root: string;
  beforeEach(async () => {
    root = join(await temporary(), 'not', 'yet');
  });

  const open = (
    names = ['balances', 'seen'],
    taskId = '0_3',
    files: IdentityFiles = diskIdentityFiles,
  ): Promise<TaskDirectory> => {
    const stores = names.map((name) => ({ name, kind: 'keyValue', key: { name: 'string' }, value: { name: 'json' } }));
    return openTaskDirectory({
      root,
      applicationId: 'shop',
      taskId,
      openDatabase: openRocksDatabase,
      identity: { topology: 'payments', stores },
      files,
    });
  };
  /** Opens, closes and gives the ids. */
  const ids = async (names?: string[]): Promise<Record<string, number>> => {
    const { database, storeIds } = await open(names);
    await database.close();
    return Object.fromEntries(storeIds);
  };

  it('keeps entries and ids over a restart, with the identity beside the database and no temporary file', async () => {
    const first = await open();
    await first.database.write([put('a', '1')]);
    await first.database.close();
    const second = await open(['orders', 'seen']);
    assert.deepEqual(
      [...second.storeIds],
      [
        ['orders', 3],
        ['seen', 2],
      ],
    );
    assert.deepEqual(await second.database.getMany([Buffer.from('a')]), [Buffer.from('1')]);
    await second.database.close();
    assert.deepEqual((await readdir(second.directory)).sort(), ['db', 'identity.json']);
  });

  it('reads the identity of before when a crash left a half-written temporary file', async () => {
    await ids();
    const file = join(root, 'shop', '0_3', 'identity.json');
    const before = await readFile(file, 'utf8');
    await mkdir(`${file}.tmp-a1b2c3`);
    await writeFile(join(`${file}.tmp-a1b2c3`, 'new'), before.slice(0, 20));
    assert.deepEqual(await ids(), { balances: 1, seen: 2 });
    assert.equal(await readFile(file, 'utf8'), before);
    assert.deepEqual(await ids(['orders']), { orders: 3 });
  });

  it('fails with STATE_IO when the identity cannot be read or written', async () => {
    const file = join(root, 'shop', '0_3', 'identity.json');
    await mkdir(file, { recursive: true });
    await assert.rejects(open(), isStreamsError('STATE_IO', /saw EISDIR/));
    const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    const files = { ...diskIdentityFiles, writeAtomically: () => Promise.reject(full) };
    await assert.rejects(open(['balances'], '0_4', files), isStreamsError('STATE_IO', /saw ENOSPC/));
  });

  it('leaves no temporary file behind when the identity cannot be replaced', async () => {
    const file = join(root, 'identity.json');
    await mkdir(join(file, 'in-the-way'), { recursive: true });
    await assert.rejects(diskIdentityFiles.writeAtomically(file, 'text'));
    assert.deepEqual(await readdir(root), ['identity.json']);
  });

  it('fails with STATE_IO when the root is a file', async () => {
    await mkdir(join(root, '..'), { recursive: true });
    await writeFile(root, '');
    await assert.rejects(open(), isStreamsError('STATE_IO', /cannot open the database/));
  });

  it('is locked while it is open', async () => {
    const { database, directory } = await open();
    await assert.rejects(
      open(),
      (error: Error) => isStreamsError('STATE_LOCKED', /Stop the other/)(error) && error.message.includes(directory),
    );
    await database.close();
  });
});
