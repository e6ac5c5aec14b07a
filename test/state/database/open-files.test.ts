import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { StreamsError } from '#src/model/errors.js';
import { databaseError } from '#src/state/database/database-errors.js';
import { temporaryDirectories } from '../support.js';

const MODULE = import.meta.resolve('#src/state/database/rocksdb.js');
/** Opens so many databases below a directory, and says what stopped it. */
const SCRIPT = `
const { openRocksDatabase } = await import(${JSON.stringify(MODULE)});
const [directory, count] = process.argv.slice(1);
const opened = await Promise.allSettled(Array.from({ length: Number(count) }, (_, i) => openRocksDatabase(directory + '/' + i)));
const failed = opened.filter(({ status }) => status === 'rejected').map(({ reason }) => ({ code: reason.code, message: reason.message }));
console.log(JSON.stringify(failed));
process.exit();`;

interface Failure {
  readonly code: string;
  readonly message: string;
}

describe('a process that may open no more files', () => {
  const directory = temporaryDirectories();

  const failures = (limit: number, path: string, databases: number): readonly Failure[] => {
    const command = `ulimit -n ${limit}; exec "$0" --input-type=module --eval "$1" "$2" ${databases}`;
    const child = spawnSync('/bin/sh', ['-c', command, process.execPath, SCRIPT, path], { encoding: 'utf8' });
    assert.equal(child.status, 0, child.stderr);
    return JSON.parse(child.stdout);
  };

  it('says STATE_IO, what is open, and which limit is enough; which it is', async () => {
    // Windows has no such limit.
    if (process.platform === 'win32') return;
    const path = await directory();
    const failed = failures(150, path, 60);
    assert.ok(failed.length > 0);
    for (const { code, message } of failed) {
      assert.equal(code, 'STATE_IO', message);
      assert.match(message, /Too many open files|EMFILE/i);
      assert.match(message, /may open 150 files, and has \d+ databases with 0 tables open, expected room for 16 files/);
      assert.doesNotMatch(message, /delete|rebuilt/);
    }
    const enough = Number(/`ulimit -n (\d+)`/.exec(failed[0]?.message ?? '')?.[1]);
    assert.deepEqual(failures(Math.min(enough, 4_096), path, 60), []);
  });
});

describe('what RocksDB and the file system say', () => {
  const told = (saw: string, code?: string, content?: 'log'): StreamsError => {
    const error = databaseError(
      'cannot open the database',
      '/data/mismatch/db',
      Object.assign(new Error(saw), { code }),
      content,
    );
    assert.ok(error instanceof StreamsError);
    return error;
  };

  for (const [saw, code] of [
    [
      'Found options incompatible with filesystem: IO error: While open a file for random read: /data/mismatch/db/CURRENT: Too many open files',
      'EINVAL',
    ],
    ['EMFILE: too many open files, open /data/mismatch/db/identity.json', 'EMFILE'],
    ['Direct I/O is not supported by the specified DB.', 'EINVAL'],
    ['IO error: While opening a file: /data/mismatch/db/000012.sst: Too many open files in system', 'EIO'],
    ['IO error: No space left on device: While appending to file: /data/mismatch/db/000012.log', 'EIO'],
    [
      'Found options incompatible with filesystem: IO error: While open a file: /data/mismatch/db/CURRENT: Permission denied',
      'EINVAL',
    ],
    ['IO error: While fsync: /data/mismatch/db/MANIFEST-000004: Input/output error', 'EIO'],
  ] as const) {
    it(`is STATE_IO, without advice to delete anything: …${saw.slice(-45)}`, () => {
      for (const content of [undefined, 'log'] as const) {
        const error = told(saw, code, content);
        assert.equal(error.code, 'STATE_IO', error.message);
        assert.doesNotMatch(error.message, /delete|rebuilt/);
      }
    });
  }

  for (const [saw, code] of [
    ['Corruption: checksum mismatch in /data/mismatch/db/000012.sst', 'EIO'],
    ['CURRENT file corrupted', 'EINVAL'],
    ['IO error: No such file or directory: While open a file for random read: /data/mismatch/db/000012.sst', 'ENOENT'],
  ] as const) {
    it(`is damage: state to be made again, a log to be restored: …${saw.slice(-40)}`, () => {
      const state = told(saw, code);
      assert.equal(state.code, 'STATE_CORRUPT');
      assert.match(state.message, /delete the directory/);
      const log = told(saw, code, 'log');
      assert.equal(log.code, 'LOG_CORRUPT');
      assert.match(log.message, /restore the directory from a copy/);
      assert.doesNotMatch(log.message, /delete/);
    });
  }
});
