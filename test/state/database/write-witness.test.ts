import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { DatabaseWrite } from '#src/model/database.js';
import { memoryDatabases } from '#src/state/database/memory.js';
import { WriteWitness } from '#src/state/database/write-witness.js';
import { isStreamsError } from '../support.js';

/** What a database had, and which log took each write. */
interface Written {
  readonly writes: readonly DatabaseWrite[];
  readonly log: string;
}

const since = 0;

/** A database with those writes. */
async function withWrites(
  writes: readonly Written[],
): Promise<Awaited<ReturnType<ReturnType<typeof memoryDatabases>>>> {
  const database = await memoryDatabases()('log');
  for (const each of writes) await database.write(each.writes);
  return database;
}

/** Writes, with a new log after each of those numbers, and openings of the database after those. */
async function run(count: number, switches: readonly number[], openings: readonly number[]): Promise<Written[]> {
  const written: Written[] = [];
  const open = async (): Promise<WriteWitness> =>
    WriteWitness.of(await withWrites(written), 'log', { since, writes: written.length, logs: {} });
  let witness = await open();
  let log = 0;
  for (let i = 0; i < count; i++) {
    if (openings.includes(i)) {
      witness = await open();
      log++;
    }
    if (switches.includes(i)) log++;
    const each = { writes: witness.entries(), log: `${log}` };
    written.push(each);
    witness.written(each.log);
  }
  return written;
}

const numbers = fc.uniqueArray(fc.nat(59), { maxLength: 30 });

describe('the witness of writes', () => {
  it('misses nothing while everything is there, however often logs change and the database is opened', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(60), numbers, numbers, async (count, switches, openings) => {
        const written = await run(count, switches, openings);
        const witness = await WriteWitness.of(await withWrites(written), 'log', {
          since,
          writes: count,
          logs: {},
        });
        assert.equal(witness.last, count);
      }),
      { numRuns: 200 },
    );
  });

  it('misses one of the last logs, and everything from one write on', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 60 }),
        numbers,
        numbers,
        fc.nat(3),
        fc.boolean(),
        async (count, switches, openings, back, rest) => {
          const written = await run(count, switches, openings);
          const logs = [...new Set(written.map(({ log }) => log))];
          const lost = logs.at(-1 - (back % logs.length)) as string;
          const first = written.findIndex(({ log }) => log === lost);
          const left = written.filter(({ log }, i) => (rest ? i < first : log !== lost));
          await assert.rejects(
            WriteWitness.of(await withWrites(left), 'log', { since, writes: count, logs: {} }),
            isStreamsError('LOG_CORRUPT', /cannot open the log at log: saw .* remove the file log.SYNCED/),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it('does not ask for writes that were not synced, nor for those of before the mark', async () => {
    const written = await run(40, [10, 20, 30], [15]);
    const unsynced = await withWrites(written.slice(0, 35));
    assert.equal((await WriteWitness.of(unsynced, 'log', { since, writes: 35, logs: {} })).last, 35);
    const holed = await withWrites(written.filter(({ log }) => log !== '1'));
    await assert.rejects(
      WriteWitness.of(holed, 'log', { since, writes: 40, logs: {} }),
      isStreamsError('LOG_CORRUPT', /./),
    );
    assert.equal((await WriteWitness.of(holed, 'log', undefined)).last, 40);
    assert.equal((await WriteWitness.of(holed, 'log', { since: 40, writes: 40, logs: {} })).last, 40);
  });

  it('keeps a bounded number of entries, however many writes and logs there are', async () => {
    const database = await withWrites(
      await run(
        3_000,
        Array.from({ length: 3_000 }, (_, i) => i).filter((i) => i % 7 === 0),
        [],
      ),
    );
    let entries = 0;
    for await (const chunk of database.scan({})) entries += chunk.length;
    assert.ok(entries <= 64, `${entries}`);
  });
});
