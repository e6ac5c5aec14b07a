import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Database, DatabaseWrite } from '#src/model/database.js';
import { ExpiryIndex } from '#src/state/absent/expiry.js';
import { memoryDatabases } from '#src/state/database/memory.js';

const TTL = 100;
const keys = (...names: string[]): Buffer[] => names.map((name) => Buffer.from(name));
const texts = (found: readonly Buffer[]): string[] => found.map((key) => key.toString());

describe('the expiry index', () => {
  let database: Database;
  let index: ExpiryIndex;

  const open = async (): Promise<void> => {
    index = new ExpiryIndex({ database, storeId: 1, ttlMs: TTL });
    await index.open();
  };

  beforeEach(async () => {
    database = await memoryDatabases()('db');
    await open();
  });

  /** One commit: takes what has expired, adds what is new, writes. */
  async function commit(
    added: readonly Buffer[],
    at: number,
    options: { limit?: number; streamTime?: number } = {},
  ): Promise<string[]> {
    const writes: DatabaseWrite[] = [];
    const taken = await index.take(options.streamTime ?? at, options.limit ?? 1_000, writes);
    index.add(added, at, writes);
    await database.write(writes);
    return texts(taken);
  }

  const take = (streamTime: number, limit = 1_000): Promise<string[]> =>
    commit([], Number.NEGATIVE_INFINITY, { limit, streamTime });

  async function entries(): Promise<number> {
    let count = 0;
    for await (const chunk of database.scan({})) count += chunk.length;
    return count;
  }

  it('gives the keys of a commit, oldest first, once its highest timestamp + ttl is before stream time', async () => {
    await commit(keys('a', 'b'), 10);
    await commit(keys('c'), 20);
    assert.deepEqual(await take(110), []);
    assert.deepEqual(await take(111), ['a', 'b']);
    assert.deepEqual(await take(1_000), ['c']);
  });

  it('gives a key once, and deletes the entries that are used up', async () => {
    await commit(keys('a', 'b', 'c'), 10);
    assert.equal(await entries(), 1);
    assert.deepEqual(await take(500), ['a', 'b', 'c']);
    assert.equal(await entries(), 0);
    assert.deepEqual(await take(500), []);
  });

  it('gives at most as many as the limit, and goes on where it was', async () => {
    await commit(keys('a', 'b', 'c'), 10);
    await commit(keys('d', 'e'), 11);
    assert.deepEqual(await take(500, 2), ['a', 'b']);
    assert.deepEqual(await take(500, 2), ['c', 'd']);
    assert.deepEqual(await take(500, 2), ['e']);
  });

  it('begins a half-used entry again when it is opened again: nothing is forgotten', async () => {
    await commit(keys('a', 'b', 'c'), 10);
    assert.deepEqual(await take(500, 2), ['a', 'b']);
    await open();
    await commit(keys('d'), 20);
    assert.deepEqual(await take(500), ['a', 'b', 'c', 'd']);
  });

  it('writes nothing for a commit that adds nothing', async () => {
    await commit([], 10);
    assert.equal(await entries(), 0);
  });

  it('keeps keys of any bytes and of any length up to 65,535', async () => {
    const long = Buffer.alloc(65_535, 255);
    const binary = Buffer.from([0, 255, 0, 1]);
    const writes: DatabaseWrite[] = [];
    index.add([binary, Buffer.alloc(0), long], 1, writes);
    await database.write(writes);
    assert.deepEqual(await index.take(1_000, 10, []), [binary, Buffer.alloc(0), long]);
  });

  it('gives every key sooner or later, whatever the order of times, limits and openings', async () => {
    const step = fc.record({
      at: fc.integer({ min: 0, max: 300 }),
      count: fc.integer({ min: 0, max: 5 }),
      limit: fc.integer({ min: 1, max: 6 }),
      reopen: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
        database = await memoryDatabases()('db');
        await open();
        const given = new Set<string>();
        const due = new Map<string, number>();
        let streamTime = 0;
        for (const [n, { at, count, limit, reopen }] of steps.entries()) {
          if (reopen) await open();
          streamTime = Math.max(streamTime, at);
          const names = Array.from({ length: count }, (_, i) => `${n}-${i}`);
          for (const name of names) due.set(name, at);
          const taken = await commit(keys(...names), at, { limit, streamTime });
          assert.ok(taken.length <= limit);
          for (const name of taken) {
            assert.ok((due.get(name) as number) + TTL < streamTime, `${name} before its time`);
            given.add(name);
          }
        }
        for (const name of await take(10_000)) given.add(name);
        assert.deepEqual([...given].toSorted(), [...due.keys()].toSorted());
        assert.equal(await entries(), 0);
      }),
      { numRuns: 200 },
    );
  });
});
