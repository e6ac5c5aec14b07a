import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomically } from '#src/files/write.js';
import { openBroker } from '#src/runtime/open-broker.js';
import { FileRegistry } from '#src/serdes/registry/file.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import { openTaskDirectory } from '#src/state/directory/directory.js';
import { temporaryDirectory } from '../support/project.js';

const modeOf = (path: string): number => statSync(path).mode & 0o777;

describe('files that millrace writes', () => {
  it('of state, and the log of the embedded broker, are for their user alone', async () => {
    const root = temporaryDirectory();
    const { database, directory } = await openTaskDirectory({
      root: join(root, 'state'),
      applicationId: 'app',
      taskId: '0-0',
      openDatabase: openRocksDatabase,
      identity: { topology: 't', stores: [] },
    });
    await database.close();
    const broker = await openBroker(`embedded:${join(root, 'log', 'broker')}`);
    await broker.close();
    for (const path of [
      join(root, 'state'),
      directory,
      join(directory, 'db'),
      join(root, 'log'),
      join(root, 'log', 'broker'),
    ])
      assert.equal(modeOf(path), 0o700, path);
    assert.equal(modeOf(join(directory, 'identity.json')), 0o600);
  });

  it('replace a symbolic link, and never write through one', async () => {
    const root = temporaryDirectory();
    const precious = join(root, 'precious');
    writeFileSync(precious, 'precious');
    for (const name of ['index.json', 'index.json.tmp']) symlinkSync(precious, join(root, name));
    const registry = await FileRegistry.open(root).catch(() => undefined);
    assert.equal(registry, undefined, 'an index that is none is refused');
    await writeFileAtomically(join(root, 'index.json'), '{}', { shared: true });
    assert.equal(readFileSync(precious, 'utf8'), 'precious');
    assert.ok(lstatSync(join(root, 'index.json')).isFile());
  });

  it('leave nothing beside them, also when they cannot be replaced', async () => {
    const root = temporaryDirectory();
    mkdirSync(join(root, 'taken', 'full'), { recursive: true });
    await assert.rejects(writeFileAtomically(join(root, 'taken'), 'text'));
    await writeFileAtomically(join(root, 'file'), 'text');
    assert.deepEqual(readdirSync(root).sort(), ['file', 'taken']);
  });
});
