import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import { firstDamage } from '#src/state/database/write-ahead-log.js';
import { put, temporaryDirectories } from '../support.js';

describe('the write-ahead log of RocksDB', () => {
  const directory = temporaryDirectories();
  let log: Buffer;

  before(async () => {
    const path = await directory();
    const database = await openRocksDatabase(path);
    // Records of all lengths, from a few bytes to several blocks of 32 KB.
    for (let i = 0; i < 200; i++) await database.write([put(`key-${i}`, 'v'.repeat((i * 7919) % 1_500))]);
    for (const length of [32_000, 100_000, 1, 32_768]) await database.write([put(`${length}`, 'v'.repeat(length))]);
    await database.close();
    const name = (await readdir(path)).find((each) => each.endsWith('.log')) as string;
    log = await readFile(join(path, name));
  });

  it('is whole as RocksDB wrote it', () => {
    assert.ok(log.length > 300_000);
    assert.equal(firstDamage(log, log.length), undefined);
  });

  it('is damaged at or before any byte that is another', () => {
    fc.assert(
      fc.property(fc.nat(log.length - 1), fc.nat(7), (at, bit) => {
        const other = Buffer.from(log);
        other[at] = (other[at] as number) ^ (1 << bit);
        const found = firstDamage(other, log.length);
        // What fills a block up belongs to no record.
        if (found === undefined) assert.ok(log[at] === 0 && 32_768 - (at % 32_768) < 7, `byte ${at}`);
        else assert.ok(found <= at, `found ${found}, changed ${at}`);
      }),
      { numRuns: 300 },
    );
  });

  it('is damaged where it ends before it should', () => {
    fc.assert(
      fc.property(fc.nat(log.length - 1), (length) => {
        const found = firstDamage(log.subarray(0, length), log.length);
        assert.ok(found !== undefined && found <= length);
      }),
      { numRuns: 300 },
    );
  });
});
