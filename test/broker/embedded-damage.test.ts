import assert from 'node:assert/strict';
import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import type { EmbeddedBroker } from '#src/broker/embedded/broker.js';
import { isStreamsError } from '#src/model/errors.js';
import { fails, numbered, valueText } from './contract.support.js';
import { ManualClock, openRocks, removeDirectory, temporaryDirectory } from './local.support.js';

const TOPIC = 'payments';
/** More than a memtable: there are tables, a log that is full, and one that is not. */
const LARGE = Buffer.alloc(900_000, 'x');

/** Writes records, each synced by itself. */
async function append(broker: EmbeddedBroker, from: number, count: number, value?: Buffer): Promise<number> {
  const writer = await broker.createWriter();
  for (let i = from; i < from + count; i++) {
    await writer.write(value ? [{ ...numbered(TOPIC, 1, i)[0]!, value }] : numbered(TOPIC, 1, i));
    await writer.flush();
  }
  await writer.close();
  return from + count;
}

/** How many records there are. Their values are looked at, too. */
async function countRecords(directory: string): Promise<number> {
  const broker = await openRocks(directory, new ManualClock());
  try {
    const [end] = await broker.admin.latestOffsets([{ topic: TOPIC, partition: 0 }]);
    const reader = await broker.createReader();
    reader.seek({ topic: TOPIC, partition: 0, offset: 0 });
    let count = 0;
    while (count < (end?.offset ?? 0)) {
      for (const { records } of await reader.poll({ maxRecords: 1_000, maxWaitMs: 0 }))
        for (const record of records) {
          assert.ok(record.value?.length === LARGE.length || valueText(record) === `${count}`);
          assert.equal(record.offset, count++);
        }
    }
    return count;
  } finally {
    await broker.close();
  }
}

/**
 * Copies the directory of an open log as a killed process leaves it. RocksDB removes files when it is done with them,
 * so the copy is that of one moment only if nothing has changed meanwhile.
 */
async function copyOpen(from: string, to: string): Promise<void> {
  const sizes = async (): Promise<unknown> =>
    Promise.all((await readdir(from)).sort().map(async (name) => [name, (await stat(join(from, name))).size]));
  for (;;) {
    try {
      const before = await sizes();
      await cp(from, to, { recursive: true });
      if (isDeepStrictEqual(before, await sizes())) return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    await rm(to, { recursive: true });
  }
}

interface Kept {
  readonly directory: string;
  readonly records: number;
}

describe('a log of the embedded broker whose files are damaged', () => {
  const made: string[] = [];
  const directory = async (): Promise<string> => {
    const path = await temporaryDirectory();
    made.push(path);
    return path;
  };
  /** Closed in order; as the process left it that was killed; killed when there were tables of this process only. */
  const kept: Kept[] = [];

  before(async () => {
    const base = await directory();
    const copied = async (records: number): Promise<void> => {
      const target = await directory();
      await copyOpen(base, target);
      kept.push({ directory: target, records });
    };
    let broker = await openRocks(base, new ManualClock());
    await broker.admin.createTopics([{ name: TOPIC, partitions: 1 }]);
    let records = await append(broker, 0, 20);
    await copied(records);
    await broker.close();
    broker = await openRocks(base, new ManualClock());
    records = await append(broker, records, 11, LARGE);
    records = await append(broker, records, 3);
    await copied(records);
    records = await append(broker, records, 20, LARGE);
    await broker.close();
    await copied(records);
  });
  after(() => Promise.all(made.map(removeDirectory)));

  const damaged = async ({ directory: from }: Kept, damage: (path: string) => Promise<void>): Promise<string> => {
    const path = await directory();
    await cp(from, path, { recursive: true });
    await damage(path);
    return path;
  };

  /** Never fewer records without a word, nor an error that says something else. */
  const hasAllOrSaysSo = async (
    from: Kept,
    damage: (path: string) => Promise<void>,
  ): Promise<'all' | 'LOG_CORRUPT'> => {
    const path = await damaged(from, damage);
    try {
      assert.equal(await countRecords(path), from.records);
      return 'all';
    } catch (error) {
      if (!isStreamsError(error)) throw error;
      assert.equal(error.code, 'LOG_CORRUPT', error.message);
      assert.ok(error.message.includes(path) || error.message.includes(`${TOPIC}[0]`), error.message);
      assert.doesNotMatch(error.message, /delete|rebuilt from/);
      return 'LOG_CORRUPT';
    } finally {
      await removeDirectory(path);
    }
  };

  it('has every synced record or says LOG_CORRUPT, whichever byte changes or file is cut or removed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(2),
        fc.nat(),
        fc.constantFrom('flip', 'flip', 'cut', 'gone'),
        // Anywhere; or near the end, where what is torn is healed.
        fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0.98, max: 1, noNaN: true })),
        fc.nat(7),
        async (which, file, kind, at, bit) => {
          const from = kept[which] as Kept;
          await hasAllOrSaysSo(from, async (path) => {
            const names = (await readdir(path)).filter((name) => !/^(LOCK|LOG|OPTIONS)/.test(name)).sort();
            const chosen = join(path, names[file % names.length] as string);
            const { size } = await stat(chosen);
            const position = Math.min(size - 1, Math.floor(at * size));
            if (kind === 'gone') await rm(chosen);
            else if (kind === 'cut') await truncate(chosen, Math.max(0, position));
            else if (size > 0) await flip(chosen, position, bit);
          });
        },
      ),
      { numRuns: 100 },
    );
  });

  it('says LOG_CORRUPT with the path and what to do: a bit in the middle of the last writes', async () => {
    const from = kept[1] as Kept;
    const path = await damaged(from, async (each) => {
      const log = await logOf(each);
      await flip(log, (await stat(log)).size >> 1, 2);
    });
    const log = await logOf(path);
    const before = await readFile(log);
    for (let again = 0; again < 2; again++)
      await assert.rejects(
        countRecords(path),
        fails('LOG_CORRUPT', log, 'other bytes from', 'restore the directory from a copy', join(path, 'SYNCED')),
      );
    // For whoever wants to save what is behind the damage.
    assert.ok((await readFile(log)).equals(before));
  });

  it('says LOG_CORRUPT when the last writes are gone, as a file or as the end of the list of tables', async () => {
    for (const from of kept) {
      assert.equal(await hasAllOrSaysSo(from, async (path) => rm(await logOf(path))), 'LOG_CORRUPT');
    }
    const { directory: path } = kept[2] as Kept;
    const manifest = (await readdir(path)).find((name) => name.startsWith('MANIFEST')) as string;
    const { size } = await stat(join(path, manifest));
    const found = [];
    for (let length = 0; length < size; length += 23)
      found.push(await hasAllOrSaysSo(kept[2] as Kept, (copy) => truncate(join(copy, manifest), length)));
    // What was done last may have been to put tables in order, which loses nothing.
    assert.ok(found.filter((each) => each === 'LOG_CORRUPT').length > found.length / 2, found.join());
  });

  it('is no new, empty log when the file is gone that names the others', async () => {
    for (const from of kept)
      assert.equal(await hasAllOrSaysSo(from, (path) => rm(join(path, 'CURRENT'))), 'LOG_CORRUPT');
  });

  it('opens with what is left once the mark is removed, and is as good as new then', async () => {
    const from = kept[1] as Kept;
    const path = await damaged(from, async (each) => {
      const log = await logOf(each);
      await flip(log, (await stat(log)).size >> 1, 2);
    });
    await assert.rejects(countRecords(path), fails('LOG_CORRUPT'));
    await rm(join(path, 'SYNCED'));
    const left = await countRecords(path);
    assert.ok(left < from.records, `${left} records`);
    const broker = await openRocks(path, new ManualClock());
    assert.equal(await append(broker, left, 3), left + 3);
    await broker.close();
    assert.equal(await countRecords(path), left + 3);
  });

  it('is healed of a tail that a crash tore: writes that were not acknowledged', async () => {
    const base = await directory();
    const broker = await openRocks(base, new ManualClock());
    await broker.admin.createTopics([{ name: TOPIC, partitions: 1 }]);
    const records = await append(broker, 0, 5);
    const log = await logOf(base);
    const { size: synced } = await stat(log);
    // Batches that are full are written without a flush.
    const writer = await broker.createWriter();
    await writer.write(Array.from({ length: 3 }, () => ({ ...numbered(TOPIC, 1)[0]!, value: LARGE })));
    while ((await stat(log)).size === synced) await new Promise(setImmediate);
    const target = await directory();
    await copyOpen(base, target);
    await broker.close();
    const { size } = await stat(await logOf(target));
    assert.ok(size > synced);
    for (const length of [synced, synced + 1, synced + 7, synced + 40_000, size - 1]) {
      const path = await damaged({ directory: target, records }, async (each) => truncate(await logOf(each), length));
      assert.equal(await countRecords(path), records);
      // Healed for good: the next opening asks for no more.
      assert.equal(await countRecords(path), records);
    }
    const garbled = await damaged({ directory: target, records }, async (each) =>
      flip(await logOf(each), synced + 9, 0),
    );
    assert.equal(await countRecords(garbled), records);
  });

  it('that an earlier version wrote, without a mark, is opened and marked', async () => {
    const path = await damaged(kept[0] as Kept, async (each) => rm(join(each, 'SYNCED')));
    assert.equal(await countRecords(path), kept[0]?.records);
    assert.match(await readFile(join(path, 'SYNCED'), 'utf8'), /^[0-9a-f]{8} \{"version":1,.*\} +\n$/);
  });
});

async function logOf(directory: string): Promise<string> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.log')).sort();
  return join(directory, names.at(-1) as string);
}

async function flip(path: string, position: number, bit: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[position] = (bytes[position] as number) ^ (1 << bit);
  await writeFile(path, bytes);
}
