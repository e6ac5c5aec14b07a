import assert from 'node:assert/strict';
import type { DatabaseWrite } from '#src/model/database.js';
import { isStreamsError } from '#src/model/errors.js';
import { serdes } from '#src/serdes/serdes.js';
import { CacheBudget } from '#src/state/cache/cache-budget.js';
import type { StoreSpec } from '#src/state/contract.js';
import { decodeCheckpoint, encodeCheckpoint, type ReadLog } from '#src/state/directory/checkpoint.js';
import { memoryIdentityFiles } from '#src/state/directory/identity-files.js';
import { TaskState } from '#src/state/store/task-state.js';
import { databases } from '../../support/stores.js';

const spec = (name: string, more: Partial<StoreSpec> = {}): StoreSpec => ({
  name,
  kind: 'keyValue',
  key: serdes.string,
  value: serdes.string,
  ...more,
});

for (const [name, place] of databases) {
  describe(`the state of a task over ${name}`, () => {
    let opened: TaskState[];
    let budget: CacheBudget;
    let where: ReturnType<typeof place> & { files?: ReturnType<typeof memoryIdentityFiles> };

    beforeEach(() => {
      opened = [];
      budget = new CacheBudget(1e6);
      where = { ...place(), ...(name === 'memory' && { files: memoryIdentityFiles() }) };
    });

    afterEach(() => Promise.all(opened.map((state) => state.close())));

    async function open(stores: readonly StoreSpec[] = [spec('one'), spec('two')]): Promise<TaskState> {
      const { directory: root, openDatabase, files } = where;
      const state = await TaskState.open({
        root,
        openDatabase,
        ...(files && { files }),
        applicationId: 'app',
        taskId: 'in-0',
        topology: 'app',
        stores,
        budget,
      });
      opened.push(state);
      return state;
    }

    async function commit(state: TaskState, offset: number, streamTime: number): Promise<void> {
      const { writes, changelogs } = await state.prepare();
      const ends = Object.fromEntries([...changelogs].map(([store, entries]) => [store, offset + entries.length]));
      const logs = new Map(Array.from(changelogs.keys(), (store) => [store, { topicId: 'x', asOf: offset }]));
      await state.apply(writes, { sources: { in: offset }, changelogs: ends, logs, emptied: 'then' }, streamTime);
    }

    it('begins with nothing: no offsets, no times', async () => {
      assert.deepEqual((await open()).checkpoint, { sources: {}, changelogs: {}, logs: new Map(), streamTimes: {} });
    });

    it('keeps rows, offsets and stream times of a commit together', async () => {
      const state = await open();
      state.store<string, string>('one').put('a', 'x', 70);
      state.store<string, string>('two').put('a', 'y', 80);
      assert.equal(state.dirtyRows, 2);
      await commit(state, 12, 90);
      assert.equal(state.dirtyRows, 0);
      await state.close();
      const again = await open();
      assert.deepEqual(again.checkpoint, {
        sources: { in: 12 },
        changelogs: { one: 13, two: 13 },
        logs: new Map(['one', 'two'].map((store) => [store, { topicId: 'x', asOf: 12 }])),
        emptied: 'then',
        streamTimes: { '': 90, one: 70, two: 80 },
      });
      assert.equal(await again.store<string, string>('one').load('a'), 'x');
      assert.equal(await again.store<string, string>('two').load('a'), 'y');
      assert.equal(again.store('two').streamTime, 80);
    });

    it('forgets what was prepared and not applied', async () => {
      const state = await open();
      state.store<string, string>('one').put('a', 'x', 70);
      await state.prepare();
      await state.close();
      const again = await open();
      assert.deepEqual(again.checkpoint.sources, {});
      assert.equal(await again.store<string, string>('one').load('a'), null);
      assert.equal(again.store('one').streamTime, Number.NEGATIVE_INFINITY);
    });

    it('keeps stores apart that have equal keys, also when one is added or left out later', async () => {
      const state = await open([spec('one')]);
      state.store<string, string>('one').put('a', 'first', 1);
      await commit(state, 1, 1);
      await state.close();
      const more = await open([spec('zero'), spec('one')]);
      assert.equal(await more.store<string, string>('zero').load('a'), null);
      more.store<string, string>('zero').put('a', 'second', 2);
      await commit(more, 2, 2);
      await more.close();
      const again = await open([spec('one')]);
      assert.equal(await again.store<string, string>('one').load('a'), 'first');
      assert.throws(
        () => again.store('zero'),
        (error) => isStreamsError(error) && error.code === 'STORE_UNKNOWN' && /saw one/.test(error.message),
      );
    });

    it('is locked while it is open, and free after close, which may be called again', async () => {
      const state = await open();
      await assert.rejects(
        open(),
        (error) => isStreamsError(error) && error.code === 'STATE_LOCKED' && error.retryable,
      );
      await state.close();
      await state.close();
      await open();
    });

    it('STATE_MISMATCH: a store is opened with another serde, and the directory is free again', async () => {
      await (await open()).close();
      const other = [spec('one', { value: serdes.int64 }), spec('two')];
      await assert.rejects(
        open(other),
        (error) => isStreamsError(error) && error.code === 'STATE_MISMATCH' && /store one/.test(error.message),
      );
      await open();
    });

    it('gives the memory of all its stores back when it is closed', async () => {
      const state = await open();
      for (const store of ['one', 'two'])
        for (let i = 0; i < 10; i++) state.store<string, string>(store).put(`k${i}`, 'x', i);
      assert.ok(budget.usedBytes > 0);
      await state.close();
      assert.equal(budget.usedBytes, 0);
    });

    it('shares one budget among its stores: eviction brings all of them back within it', async () => {
      budget = new CacheBudget(2_000);
      const state = await open();
      for (const store of ['one', 'two'])
        for (let i = 0; i < 50; i++) state.store<string, string>(store).put(`k${i}`, 'x', i);
      assert.ok(budget.exceeded);
      await commit(state, 100, 50);
      state.evict();
      state.evict();
      assert.ok(budget.usedBytes <= 2_000, `${budget.usedBytes} bytes`);
      assert.equal(await state.store<string, string>('two').load('k7'), 'x');
    });

    it('lets each store give up as much of its rows as the others, whichever comes first', async () => {
      budget = new CacheBudget(30_000);
      const state = await open();
      for (let i = 0; i < 200; i++)
        for (const store of ['one', 'two']) state.store<string, string>(store).put(`k${i}`, 'x', i);
      await commit(state, 100, 50);
      const before = budget.usedBytes;
      state.evict();
      for (const name of ['one', 'two']) {
        const store = state.cached(name);
        let kept = 0;
        for (let i = 0; i < 200; i++) {
          store.want(`k${i}`);
          if (!store.hasWanted) kept++;
          await store.loadWanted();
        }
        const share = (200 * 30_000) / before;
        assert.ok(Math.abs(kept - share) <= 2, `${name} has kept ${kept}, about ${share} were its share`);
      }
    });

    it('finds the rows that were restored into a new directory', async () => {
      const state = await open();
      const store = state.cached('one');
      const writes: DatabaseWrite[] = [];
      const row = (key: string, value: string | null) => ({
        key: Buffer.from(key),
        value: value === null ? null : Buffer.from(value),
        timestamp: 7,
      });
      store.restore([row('a', 'x'), row('b', 'y'), row('b', null)], writes);
      await state.apply(writes, { sources: { in: 3 }, changelogs: { one: 3 } }, 7);
      assert.deepEqual(await Promise.all(['a', 'b', 'c'].map((key) => store.load(key))), ['x', null, null]);
    });

    it('logs rows again that are asked for, unchanged or gone, without a cause', async () => {
      const state = await open();
      const store = state.cached('one');
      store.put('kept', 'x', 7);
      await commit(state, 1, 7);
      await store.logAgain([Buffer.from('kept'), Buffer.from('gone')]);
      const entries = (await state.prepare()).changelogs.get('one') ?? [];
      assert.deepEqual(
        entries.map(({ key, value, causeOffset }) => [key.toString(), value?.toString(), causeOffset]),
        [
          ['kept', 'x', -1],
          ['gone', undefined, -1],
        ],
      );
    });
  });
}

describe('the checkpoint', () => {
  it('comes back as it was written; a time that never was is left out', () => {
    const checkpoint = {
      sources: { in: 3 },
      changelogs: { one: 9 },
      logs: new Map<string, ReadLog>([
        ['one', { topicId: 'x', asOf: 7 }],
        ['two', { topicId: undefined, asOf: 7, partial: true }],
      ]),
      emptied: 'then',
      streamTimes: { '': 5, one: Number.NEGATIVE_INFINITY },
    };
    assert.deepEqual(decodeCheckpoint(encodeCheckpoint(checkpoint), 'dir'), { ...checkpoint, streamTimes: { '': 5 } });
  });

  for (const bytes of ['', 'null', '{"format":2}', '{"format":']) {
    it(`STATE_CORRUPT: ${JSON.stringify(bytes)} is none`, () => {
      assert.throws(
        () => decodeCheckpoint(Buffer.from(bytes), 'dir'),
        (error) => isStreamsError(error) && error.code === 'STATE_CORRUPT' && / at dir: saw /.test(error.message),
      );
    });
  }
});
