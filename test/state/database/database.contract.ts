import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Database, DatabaseWrite, KeyRange, OpenDatabase } from '#src/model/database.js';
import { all, del, entries, isStreamsError, keys, put, texts } from '../support.js';
import { scanContract } from './scan.contract.js';

/** What a database has to keep: every sentence of model/database.ts. `setUp` gives an opener and a directory nobody has used. */
export function databaseContract(
  title: string,
  setUp: () => Promise<{ readonly open: OpenDatabase; readonly directory: string }>,
): void {
  describe(`${title}: the contract of a database`, () => {
    let open: OpenDatabase;
    let directory: string;
    let database: Database;

    beforeEach(async () => {
      ({ open, directory } = await setUp());
      database = await open(directory);
    });
    afterEach(() => database.close());

    describe('getMany', () => {
      it('answers in the order of the keys, undefined where one is absent, twice where one is asked twice', async () => {
        await database.write([put('a', '1'), put('b', '2')]);
        assert.deepEqual(texts(await database.getMany(keys('b', 'x', 'a', 'b'))), ['2', undefined, '1', '2']);
      });

      it('answers no keys with nothing', async () => assert.deepEqual(await database.getMany([]), []));

      it('tells an empty value from an absent one', async () => {
        await database.write([put('a', '')]);
        assert.deepEqual(await database.getMany(keys('a', 'b')), [Buffer.alloc(0), undefined]);
      });

      it('answers thousands of keys at once, those that exist and those that do not', async () => {
        await database.write(Array.from({ length: 5_000 }, (_, i) => put(`key-${i}`, `${i}`)));
        for (const count of [1, 2, 127, 128, 129, 5_000]) {
          const asked = Array.from({ length: count }, (_, i) => i * 2);
          const values = await database.getMany(asked.map((i) => Buffer.from(`key-${i}`)));
          assert.deepEqual(
            texts(values),
            asked.map((i) => (i < 5_000 ? `${i}` : undefined)),
          );
        }
      });

      it('refuses an empty key and says so', async () => {
        await assert.rejects(
          database.getMany([Buffer.from('a'), Buffer.alloc(0)]),
          isStreamsError('STATE_IO', /saw an empty key, expected a key of at least one byte/),
        );
      });
    });

    describe('write', () => {
      it('replaces and deletes; deleting an absent key does nothing', async () => {
        await database.write([put('a', '1'), put('b', '2')]);
        await database.write([put('a', '3'), del('b'), del('c')]);
        assert.deepEqual(await all(database), [['a', '3']]);
      });

      it('applies the writes of a batch in order, so that the last one of a key wins', async () => {
        await database.write([put('a', '1'), del('a'), put('b', '1'), put('b', '2'), del('c'), put('c', '3')]);
        assert.deepEqual(await all(database), [
          ['b', '2'],
          ['c', '3'],
        ]);
      });

      it('applies batches in the order of the calls, also when no caller waits between them', async () => {
        await database.write([put('a', 'before')]);
        const names = Array.from({ length: 5_000 }, (_, i) => `k-${i}`);
        await Promise.all(
          names.flatMap((name) => [
            database.write([put(name, 'first')]),
            database.write([put('a', name)]),
            database.write([put(name, 'second')]),
          ]),
        );
        assert.deepEqual(new Set(texts(await database.getMany(keys(...names)))), new Set(['second']));
        assert.deepEqual(texts(await database.getMany(keys('a'))), ['k-4999']);
      });

      it('keeps a batch that is given while another one is under way', async () => {
        for (let i = 0; i < 200; i++) {
          const first = database.write([put('a', `${i}`)]);
          // Some turns of the microtask queue, so that the first write has been handed over and has not answered yet.
          for (let turn = 0; turn < 5; turn++) await undefined;
          await Promise.all([first, database.write([put('b', `${i}`)])]);
          assert.deepEqual(texts(await database.getMany(keys('a', 'b'))), [`${i}`, `${i}`]);
        }
      });

      it('takes all writes or none: a batch with a write that is refused changes nothing', async () => {
        await assert.rejects(
          database.write([put('a', '1'), put('', '2'), put('c', '3')]),
          isStreamsError('STATE_IO', /empty key/),
        );
        assert.deepEqual(await all(database), []);
        await database.write([put('a', '4')]);
        assert.deepEqual(await all(database), [['a', '4']]);
      });

      it('shows a batch to readers as a whole or not at all', async () => {
        const count = 400;
        const batch = (value: string): DatabaseWrite[] => Array.from({ length: count }, (_, i) => put(`k-${i}`, value));
        await database.write(batch('0'));
        const writes = Array.from({ length: 20 }, (_, i) => database.write(batch(`${i + 1}`)));
        const reads = Array.from({ length: 20 }, () => database.getMany(batch('').map(({ key }) => key)));
        for (const read of await Promise.all(reads)) assert.equal(new Set(texts(read)).size, 1);
        await Promise.all(writes);
      });

      it('takes no writes at all, with and without sync', async () => {
        await database.write([]);
        await database.write([], { sync: true });
        assert.deepEqual(await all(database), []);
      });

      it('keeps what was given, whatever the caller does with the buffers once it is written', async () => {
        const key = Buffer.from('a');
        const value = Buffer.from('1');
        await database.write([{ key, value }]);
        key.write('b');
        value.write('2');
        assert.deepEqual(texts(await database.getMany(keys('a', 'b'))), ['1', undefined]);
      });

      it('gives out bytes that the caller may change', async () => {
        await database.write([put('a', '1')]);
        (await database.getMany(keys('a')))[0]?.write('2');
        for await (const chunk of database.scan({})) for (const bytes of chunk.flat()) bytes.write('3');
        assert.deepEqual(await all(database), [['a', '1']]);
      });

      it('is readable at once after a write with sync', async () => {
        await database.write([put('a', '1')], { sync: true });
        assert.deepEqual(await all(database), [['a', '1']]);
      });
    });

    scanContract(() => ({ open, directory, database }));

    describe('close', () => {
      it('keeps the content for the next opening', async () => {
        await database.write([put('a', '1'), put('b', ''), put('c', '3')]);
        await database.write([del('c')]);
        await database.close();
        database = await open(directory);
        assert.deepEqual(await all(database), [
          ['a', '1'],
          ['b', ''],
        ]);
      });

      it('does nothing when called again, also at the same time', async () => {
        await Promise.all([database.close(), database.close()]);
        await database.close();
      });

      it('waits for the writes and reads under way', async () => {
        const writes = Array.from({ length: 50 }, (_, i) => database.write([put(`k-${i}`, `${i}`)]));
        const read = database.getMany(keys('k-0'));
        await database.close();
        await Promise.all(writes);
        assert.equal((await read).length, 1);
        database = await open(directory);
        assert.equal((await all(database)).length, 50);
      });

      it('ends a scan under way, which says so at its next chunk', async () => {
        await database.write(Array.from({ length: 3_000 }, (_, i) => put(`n-${i}`, '')));
        await assert.rejects(
          async () => {
            for await (const _ of database.scan({})) await database.close();
          },
          isStreamsError('STATE_IO', /saw a database that was closed/),
        );
      });

      it('lets a scan that was left alone be forgotten', async () => {
        const scan = database.scan({})[Symbol.asyncIterator]();
        await database.write([put('a', '1'), put('b', '2')]);
        assert.equal((await scan.next()).done, false);
        await database.close();
        await scan.return?.();
      });

      it('makes every later call fail with STATE_IO', async () => {
        await database.close();
        const closed = isStreamsError('STATE_IO', /saw a database that was closed, expected an open one/);
        await assert.rejects(database.getMany(keys('a')), closed);
        await assert.rejects(database.write([put('a', '1')]), closed);
        await assert.rejects(all(database), closed);
      });
    });

    describe('open', () => {
      it('refuses a second opening with STATE_LOCKED until the first is closed', async () => {
        await database.write([put('a', '1')]);
        await assert.rejects(open(directory), (error: Error) => {
          isStreamsError(
            'STATE_LOCKED',
            /expected a directory that no other process or engine has open. Stop the other process/,
          )(error);
          assert.ok(error.message.includes(directory));
          return true;
        });
        await database.close();
        database = await open(directory);
        assert.deepEqual(await all(database), [['a', '1']]);
      });

      it('keeps the databases of two directories apart', async () => {
        const other = await open(`${directory}-other`);
        try {
          await database.write([put('a', '1')]);
          assert.deepEqual(await all(other), []);
        } finally {
          await other.close();
        }
      });
    });

    it('behaves as a sorted map, whatever is written, read, scanned and reopened', async () => {
      const key = fc
        .uint8Array({ minLength: 1, maxLength: 3 })
        .map((bytes) => Buffer.from(bytes.map((byte) => [0, 1, 127, 128, 255][byte % 5] as number)));
      const value = fc.option(fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)));
      const step = fc.oneof(
        fc.record({ write: fc.array(fc.record({ key, value }), { maxLength: 8 }), sync: fc.boolean() }),
        fc.record({ read: fc.array(key, { maxLength: 5 }) }),
        fc.record({
          scan: fc.record(
            { gte: key, lt: key, reverse: fc.boolean(), limit: fc.nat({ max: 6 }) },
            { requiredKeys: [] },
          ),
        }),
        fc.constant({ reopen: true }),
      );
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
          const name = `${directory}-${run++}`;
          const model = new Map<string, Buffer>();
          let subject = await open(name);
          try {
            for (const step of steps) {
              if ('write' in step) {
                await subject.write(step.write, { sync: step.sync });
                for (const { key, value } of step.write)
                  value ? model.set(key.toString('hex'), value) : model.delete(key.toString('hex'));
              } else if ('read' in step) {
                assert.deepEqual(
                  await subject.getMany(step.read),
                  step.read.map((key) => model.get(key.toString('hex'))),
                );
              } else if ('scan' in step) {
                assert.deepEqual(await hexEntries(subject, step.scan), modelScan(model, step.scan));
              } else {
                await subject.close();
                subject = await open(name);
              }
            }
            assert.deepEqual(await hexEntries(subject, {}), modelScan(model, {}));
          } finally {
            await subject.close();
          }
        }),
        { interruptAfterTimeLimit: 4_000 },
      );
    });
  });
}

async function hexEntries(database: Database, range: KeyRange): Promise<[string, string][]> {
  return (await entries(database, range)).map(([key, value]) => [key.toString('hex'), value.toString('hex')]);
}

function modelScan(model: ReadonlyMap<string, Buffer>, { gte, lt, reverse, limit }: KeyRange): [string, string][] {
  const sorted = [...model]
    .map(([key, value]): [string, string] => [key, value.toString('hex')])
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .filter(([key]) => (!gte || key >= gte.toString('hex')) && (!lt || key < lt.toString('hex')));
  return (reverse ? sorted.reverse() : sorted).slice(0, limit);
}
