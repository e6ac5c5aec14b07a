import assert from 'node:assert/strict';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Database } from '#src/model/database.js';
import { isStreamsError } from '#src/model/errors.js';
import { serdes } from '#src/serdes/serdes.js';
import { CacheBudget } from '#src/state/cache/cache-budget.js';
import type { StoreSpec } from '#src/state/contract.js';
import { memoryDatabases } from '#src/state/database/memory.js';
import { memoryIdentityFiles } from '#src/state/directory/identity-files.js';
import { prefixed, prefixOf, stamped } from '#src/state/layout.js';
import { compareStores, storeDifferences } from '#src/state/rebuild/compare-stores.js';
import { StoreSwap } from '#src/state/rebuild/store-swap.js';
import type { StoreBytes } from '#src/state/rows/store-bytes.js';
import { TaskState } from '#src/state/store/task-state.js';
import { databases, rows } from '../../support/stores.js';

const spec = (name: string, more: Partial<StoreSpec> = {}): StoreSpec => ({
  name,
  kind: 'keyValue',
  key: serdes.string,
  value: serdes.string,
  ...more,
});
const OWNER = { applicationId: 'app', taskId: 'in-0', topology: 'app' };
const ignore = (): void => undefined;

for (const [name, place] of databases) {
  describe(`a swap of a store over ${name}`, () => {
    let where: ReturnType<typeof place> & { files?: ReturnType<typeof memoryIdentityFiles> };
    let shadow: TaskState;

    const stores = [spec('one', { ttlMs: 100 }), spec('two')];

    async function open(root: string, specs: readonly StoreSpec[] = stores): Promise<TaskState> {
      const { openDatabase, files } = where;
      const budget = new CacheBudget(1e6);
      return TaskState.open({ ...OWNER, root, openDatabase, ...(files && { files }), stores: specs, budget });
    }

    async function fill(state: TaskState, store: string, values: Record<string, string>, timestamp = 0): Promise<void> {
      for (const [key, value] of Object.entries(values)) state.cached(store).put(key, value, timestamp);
      const { writes } = await state.prepare();
      await state.apply(writes, { sources: { in: 1 }, changelogs: {} }, timestamp);
    }

    function swapOf(store = 'one'): Promise<StoreSwap> {
      const { directory: root, openDatabase, files } = where;
      const own = stores.find((each) => each.name === store) as StoreSpec;
      return StoreSwap.open({ ...OWNER, root, openDatabase, ...(files && { files }), spec: own });
    }

    /** What the application sees when it is started. */
    async function seen(): Promise<{ one: unknown; two: unknown }> {
      const state = await open(where.directory);
      const [one, two] = [await rows(state.cached('one').entries()), await rows(state.cached('two').entries())];
      await state.close();
      return { one: Object.fromEntries(one), two: Object.fromEntries(two) };
    }

    beforeEach(async () => {
      where = { ...place(), ...(name === 'memory' && { files: memoryIdentityFiles() }) };
      const state = await open(where.directory);
      await fill(state, 'one', { a: 'old', b: 'old' });
      await fill(state, 'two', { x: 'kept' });
      await state.close();
      shadow = await open(join(where.directory, 'shadow'), [stores[0] as StoreSpec]);
      await fill(shadow, 'one', { b: 'new', c: 'new' }, 5);
    });

    afterEach(() => shadow.close());

    const OLD = { one: { a: 'old', b: 'old' }, two: { x: 'kept' } };
    const NEW = { one: { b: 'new', c: 'new' }, two: { x: 'kept' } };

    it('shows the old store until it is swapped, the new one from then on, and leaves the others alone', async () => {
      for (const [after, expected] of [
        ['copy', OLD],
        ['swap', NEW],
        ['clean', NEW],
      ] as const) {
        const swap = await swapOf();
        if (after === 'copy') await swap.copy(shadow.bytes('one'), ignore);
        else if (after === 'swap') {
          await swap.copy(shadow.bytes('one'), ignore);
          await swap.swap();
        } else await swap.clean(ignore);
        await swap.close();
        assert.deepEqual(await seen(), expected, after);
      }
    });

    it('knows after a crash that it was swapped, and not that it was copied', async () => {
      let swap = await swapOf();
      await swap.copy(shadow.bytes('one'), ignore);
      await swap.close();
      swap = await swapOf();
      assert.equal(swap.swapped, false);
      await swap.copy(shadow.bytes('one'), ignore);
      await swap.swap();
      await swap.close();
      swap = await swapOf();
      assert.equal(swap.swapped, true);
      await swap.close();
    });

    it('begins a copy again from nothing: rows of one that was interrupted are not in it', async () => {
      const swap = await swapOf();
      await swap.copy(shadow.bytes('one'), ignore);
      await fill(shadow, 'one', { d: 'newer' }, 6);
      shadow.cached('one').delete('b');
      await fill(shadow, 'one', {}, 6);
      await swap.copy(shadow.bytes('one'), ignore);
      await swap.swap();
      await swap.close();
      assert.deepEqual(await seen(), { ...NEW, one: { c: 'new', d: 'newer' } });
    });

    it('removes every entry of what is not needed, and frees its number for another store', async () => {
      const swap = await swapOf();
      await swap.copy(shadow.bytes('one'), ignore);
      await swap.swap();
      const { database } = swap.store;
      let removed = 0;
      await swap.clean((entries) => {
        removed += entries;
      });
      assert.ok(removed >= 2, String(removed));
      assert.deepEqual(await numbersIn(database), [0, 2, 3]);
      await swap.close();
      const again = await swapOf();
      await again.copy(shadow.bytes('one'), ignore);
      await again.swap();
      await again.clean(ignore);
      await again.close();
      assert.deepEqual(await seen(), NEW);
    });

    it('takes back a copy that is given up', async () => {
      const swap = await swapOf();
      await swap.copy(shadow.bytes('one'), ignore);
      await swap.clean(ignore);
      assert.deepEqual(await numbersIn(swap.store.database), [0, 1, 2]);
      await swap.close();
      assert.deepEqual(await seen(), OLD);
    });

    it('takes the index of what expires along: new rows expire when their time is over', async () => {
      const swap = await swapOf();
      await swap.copy(shadow.bytes('one'), ignore);
      await swap.swap();
      await swap.clean(ignore);
      await swap.close();
      const state = await open(where.directory);
      await fill(state, 'one', { late: 'row' }, 1_000);
      await fill(state, 'one', { later: 'row' }, 1_001);
      const { database, storeId } = state.bytes('one');
      const left: string[] = [];
      for await (const chunk of database.scan({ gte: prefixOf(storeId, 0), lt: prefixOf(storeId, 1) }))
        left.push(...chunk.map(([key]) => key.subarray(3).toString()));
      assert.deepEqual(left, ['late', 'later']);
      await state.close();
    });

    it('STATE_LOCKED while the task is open', async () => {
      const state = await open(where.directory);
      await assert.rejects(swapOf(), (error) => isStreamsError(error) && error.code === 'STATE_LOCKED');
      await state.close();
    });
  });
}

async function numbersIn(database: Database): Promise<number[]> {
  const numbers = new Set<number>();
  for await (const chunk of database.scan({})) for (const [key] of chunk) numbers.add(key.readUInt16BE(0));
  return [...numbers];
}

type Model = Record<string, readonly [value: string, timestamp: number]>;
const model = fc.dictionary(
  fc.constantFrom('a', 'b', 'c', 'd', 'é', 'ab', ''),
  fc.tuple(fc.constantFrom('1', '2'), fc.constantFrom(1, 2)),
);

async function storeOf(database: Database, storeId: number, content: Model): Promise<StoreBytes> {
  const prefix = prefixOf(storeId, 0);
  await database.write(
    Object.entries(content).map(([key, [value, timestamp]]) => ({
      key: prefixed(prefix, Buffer.from(key)),
      value: stamped(timestamp, Buffer.from(value)),
    })),
  );
  return { database, storeId };
}

describe('the comparison of two stores', () => {
  it('counts as a comparison of all rows does, and its differences turn one store into the other', async () => {
    await fc.assert(
      fc.asyncProperty(model, model, async (before, after) => {
        const database = await memoryDatabases()('db');
        const [old, fresh] = [await storeOf(database, 1, before), await storeOf(database, 2, after)];
        const found = await compareStores({ spec: spec('s'), old, fresh, streamTime: 9, onRows: ignore });
        const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
        const same = (key: string) => String(before[key]) === String(after[key]);
        assert.deepEqual(found, {
          equal: keys.filter((key) => before[key] && after[key] && same(key)).length,
          added: keys.filter((key) => !before[key]).length,
          changed: keys.filter((key) => before[key] && after[key] && !same(key)).length,
          removed: keys.filter((key) => !after[key]).length,
          unreadable: 0,
        });
        const made: Record<string, readonly [string, number]> = { ...before };
        for await (const some of storeDifferences(old, fresh, 7))
          for (const { key, value, timestamp } of some) {
            if (value === null) {
              assert.equal(timestamp, 7);
              delete made[key.toString()];
            } else made[key.toString()] = [value.toString(), timestamp];
          }
        assert.deepEqual({ ...made }, { ...after });
        await database.close();
      }),
    );
  });

  it('leaves out rows whose time to live is over, on both sides', async () => {
    const database = await memoryDatabases()('db');
    const old = await storeOf(database, 1, { gone: ['x', 1], here: ['x', 50] });
    const fresh = await storeOf(database, 2, { here: ['x', 50], past: ['y', 2] });
    const options = { spec: spec('s', { ttlMs: 100 }), old, fresh, onRows: ignore };
    assert.deepEqual(await compareStores({ ...options, streamTime: 140 }), {
      equal: 1,
      added: 0,
      changed: 0,
      removed: 0,
      unreadable: 0,
    });
  });

  it('counts old rows that cannot be read, and fails with STATE_CORRUPT on new ones', async () => {
    const database = await memoryDatabases()('db');
    const json = spec('s', { value: serdes.json() });
    const bad = await storeOf(database, 1, { a: ['{', 1], b: ['{', 1] });
    const good = await storeOf(database, 2, { a: ['{}', 1] });
    const options = { spec: json, streamTime: 1, onRows: ignore };
    assert.deepEqual(await compareStores({ ...options, old: bad, fresh: good }), {
      equal: 0,
      added: 0,
      changed: 1,
      removed: 1,
      unreadable: 2,
    });
    await assert.rejects(
      compareStores({ ...options, old: good, fresh: bad }),
      (error) => isStreamsError(error) && error.code === 'STATE_CORRUPT',
    );
  });
});
