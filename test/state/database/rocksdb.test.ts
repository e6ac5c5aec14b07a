import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { appendFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Database, DatabaseWrite } from '#src/model/database.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import { isStreamsError, temporaryDirectories } from '../support.js';
import { databaseContract } from './database.contract.js';

const MODULE = import.meta.resolve('#src/state/database/rocksdb.js');
/** A script for another process, in which `database` is opened in the directory that is its argument. */
const script = (body: string): string[] => [
  '--input-type=module',
  '--eval',
  `const { openRocksDatabase } = await import(${JSON.stringify(MODULE)});
   const open = () => openRocksDatabase(process.argv[1]);
   const put = (key, value) => ({ key: Buffer.from(key), value: Buffer.from(value) });
   ${body}`,
];
const numbered = (from: number, to: number): DatabaseWrite[] =>
  Array.from({ length: to - from }, (_, i) => ({
    key: Buffer.from(`key-${String(from + i).padStart(8, '0')}`),
    value: Buffer.alloc(200, from + i),
  }));

describe('rocksdb', () => {
  const directory = temporaryDirectories();

  databaseContract('rocksdb', async () => ({
    open: openRocksDatabase,
    directory: join(await directory(), 'deep', 'db'),
  }));

  it('refuses a directory that another process has open, with STATE_LOCKED', async () => {
    const path = await directory();
    const database = await openRocksDatabase(path);
    const other = spawnSync(
      process.execPath,
      [...script('await open().catch((error) => console.log(error.code, error.retryable, error.message));'), path],
      { encoding: 'utf8' },
    );
    assert.match(
      other.stdout,
      /^STATE_LOCKED true cannot open the database at .*: saw .*, expected a directory that no other process or engine has open\. Stop the other process/,
    );
    await database.close();
  });

  it('has everything that was written when the process was killed, and its lock is free', async () => {
    const path = await directory();
    const child = spawn(
      process.execPath,
      [
        ...script(
          'const database = await open(); for (let i = 0; ; i++) { await database.write([put("last", String(i)), put("n-" + i, "")]); console.log(i); }',
        ),
        path,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let acknowledged = -1;
    for await (const line of createInterface(child.stdout)) {
      acknowledged = Number(line);
      if (acknowledged === 500) child.kill('SIGKILL');
    }
    const database = await openRocksDatabase(path);
    const last = Number((await database.getMany([Buffer.from('last')]))[0]);
    assert.ok(last >= acknowledged, `${last} is in the database, ${acknowledged} was acknowledged`);
    assert.equal(await count(database), last + 2);
    await database.close();
  });

  it('fails with STATE_IO on a full disk, keeps what was acknowledged, and works again when there is space', async () => {
    // A limit on the size of files stands for a full disk. Windows has none.
    if (process.platform === 'win32') return;
    const path = await directory();
    const body = `
      process.on('SIGXFSZ', () => {});
      const database = await open();
      let written = 0;
      try { for (;;) { await database.write([put(\`n-\${written}\`, Buffer.alloc(10_000))]); written++; } }
      catch (error) { console.log(JSON.stringify({ written, code: error.code, message: error.message })); }
      await database.close();`;
    const args = [...script(body), path].map((arg) => `'${arg.replaceAll("'", "'\\''")}'`).join(' ');
    const child = spawnSync('/bin/sh', ['-c', `ulimit -f 2000; exec '${process.execPath}' ${args}`], {
      encoding: 'utf8',
    });
    const seen = JSON.parse(child.stdout) as { written: number; code: string; message: string };
    assert.equal(seen.code, 'STATE_IO', seen.message);
    assert.match(
      seen.message,
      /^cannot write at .*: saw .*: File too large, expected a disk that can be read and written\. Check free space/,
    );

    const database = await openRocksDatabase(path);
    assert.ok(seen.written > 10);
    assert.ok((await count(database)) >= seen.written);
    await database.write([{ key: Buffer.from('more'), value: Buffer.alloc(0) }]);
    await database.close();
  });

  for (const [saw, advice] of [
    ['libatomic.so.1: cannot open shared object file', /Install libatomic: apt-get install libatomic1/],
    ["Cannot find addon '.'", /take an image with glibc/],
  ] as const) {
    it(`is STATE_UNSUPPORTED if the module cannot load: ${saw}`, async () => {
      const hook = `export const resolve = (name, context, next) => {
        if (name === 'rocksdb-native') throw new Error(${JSON.stringify(saw)});
        return next(name, context);
      };`;
      const asModule = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`;
      const register = `import { register } from 'node:module'; register(${JSON.stringify(asModule(hook))});`;
      const other = spawnSync(
        process.execPath,
        [
          '--import',
          asModule(register),
          ...script('await open().catch((error) => console.log(error.code, error.retryable, error.message));'),
          await directory(),
        ],
        { encoding: 'utf8' },
      );
      assert.match(other.stdout, /^STATE_UNSUPPORTED false cannot load RocksDB at \w+ \w+, Node v/);
      assert.ok(other.stdout.includes(saw));
      assert.match(other.stdout, advice);
    });
  }

  it('keeps the file that RocksDB tells of its doings small, and none of earlier openings', async () => {
    const path = await directory();
    for (let i = 0; i < 3; i++) await (await openRocksDatabase(path)).close();
    const database = await openRocksDatabase(path);
    assert.deepEqual(
      (await readdir(path)).filter((name) => name.startsWith('LOG')),
      ['LOG'],
    );
    await appendFile(join(path, 'LOG'), Buffer.alloc(2_000_000));
    for (let i = 0; i < 1_000; i++) await database.getMany([Buffer.from('k')]);
    await new Promise(setImmediate);
    for (let i = 0; i < 30; i++) await database.write(numbered(i * 5_000, (i + 1) * 5_000)); // RocksDB tells more
    const { blocks } = await stat(join(path, 'LOG'));
    assert.ok(blocks * 512 < 500_000, `${blocks} blocks`);
    await database.close();
  });

  it('fails with STATE_IO when the directory is a file', async () => {
    const path = join(await directory(), 'file');
    await writeFile(path, 'no directory');
    await assert.rejects(openRocksDatabase(path), isStreamsError('STATE_IO', /cannot open the database at .*file/));
    await assert.rejects(
      openRocksDatabase(join(path, 'below')),
      isStreamsError('STATE_IO', /cannot open the database/),
    );
  });

  it('fails with STATE_CORRUPT when a table has other bytes than were written', async () => {
    const path = await directory();
    await flushed(path);
    for (const table of await tables(path)) await writeFile(table, Buffer.alloc(300_000, 7));
    await assert.rejects(
      readEverything(path),
      isStreamsError(
        'STATE_CORRUPT',
        /expected the bytes that were written\. Stop the application, delete the directory/,
      ),
    );
  });

  it('fails with STATE_CORRUPT when a table is gone', async () => {
    const path = await directory();
    await flushed(path);
    for (const table of await tables(path)) await rm(table);
    await assert.rejects(readEverything(path), isStreamsError('STATE_CORRUPT', /rebuilt from the changelog/));
  });

  /** How many megabytes the process of a script has grown by, apart from what V8 keeps for objects to come. `body` has `database` and `grown(work)`. */
  const growth = async (body: string): Promise<number> => {
    const child = spawnSync(
      process.execPath,
      [
        '--expose-gc',
        ...script(`
          const database = await open();
          const used = async () => { for (let i = 0; i < 3; i++) { gc(); await new Promise(setImmediate); } const { rss, heapTotal, heapUsed } = process.memoryUsage(); return rss - heapTotal + heapUsed; };
          const grown = async (work) => { const before = await used(); await work(); return ((await used()) - before) / 1e6; };
          console.log(await (async () => { ${body} })());
          await database.close();`),
        await directory(),
      ],
      { encoding: 'utf8' },
    );
    assert.equal(child.status, 0, child.stderr);
    return Number(child.stdout);
  };

  it('writes many empty values without keeping memory for them', async () => {
    const megabytes = await growth(`
      const empty = Buffer.alloc(0);
      const writes = Array.from({ length: 10_000 }, (_, i) => ({ key: Buffer.from(String(i)), value: empty }));
      const write = async (times) => { for (let i = 0; i < times; i++) await database.write(writes); };
      await write(60);
      return grown(() => write(160));`);
    // 32 bytes for each of 1.6 million would be 51 MB; two memtables of 8 MB may come and go meanwhile.
    assert.ok(megabytes < 35, `${megabytes} MB more`);
  });

  it('keeps no memory for scans that were left early', async () => {
    const megabytes = await growth(`
      await database.write(Array.from({ length: 1_000 }, (_, i) => put('key-' + i, 'v'.repeat(200))));
      const leave = async (scans) => { for (let i = 0; i < scans; i++) for await (const _ of database.scan({})) break; };
      await leave(1_000);
      return grown(() => leave(4_000));`);
    assert.ok(megabytes < 15, `${megabytes} MB more`);
  });

  it('goes on after garbage was collected during unawaited reads, writes and scans', async () => {
    const path = await directory();
    const body = `
      let database = await open();
      await database.write(Array.from({ length: 5000 }, (_, i) => put(\`k-\${i}\`, 'v'.repeat(100))));
      for (let round = 0; round < 20; round++) {
        database.write([put('r', \`\${round}\`)]);
        database.getMany(Array.from({ length: 300 }, (_, i) => Buffer.from(\`k-\${i}\`)));
        const scan = database.scan({})[Symbol.asyncIterator]();
        await scan.next();
        gc();
        if (round % 5 === 4) { const closing = database.close(); database = null; gc(); await closing; database = await open(); gc(); }
      }
      console.log(\`\${(await database.getMany([Buffer.from('r')]))[0]}\`);`;
    const child = spawnSync(process.execPath, ['--expose-gc', ...script(body), path], { encoding: 'utf8' });
    assert.equal(child.stdout.trim(), '19', child.stderr);
    assert.equal(child.status, 0);
  });
});

/** A database with more than its memtables hold, so that there are tables on disk. */
async function flushed(path: string): Promise<void> {
  const database = await openRocksDatabase(path);
  for (let i = 0; i < 100; i++) await database.write(numbered(i * 1_000, (i + 1) * 1_000));
  await database.close();
}

async function readEverything(path: string): Promise<void> {
  const database = await openRocksDatabase(path);
  try {
    for (let i = 0; i < 100; i++) await database.getMany(numbered(i * 1_000, (i + 1) * 1_000).map(({ key }) => key));
  } finally {
    await database.close();
  }
}

async function tables(path: string): Promise<string[]> {
  const names = (await readdir(path)).filter((name) => name.endsWith('.sst'));
  assert.ok(names.length > 0, 'there are no tables yet');
  return names.map((name) => join(path, name));
}

async function count(database: Database): Promise<number> {
  let entries = 0;
  for await (const chunk of database.scan({})) entries += chunk.length;
  return entries;
}
