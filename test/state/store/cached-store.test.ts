import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isStreamsError } from '#src/model/errors.js';
import { serdes } from '#src/serdes/serdes.js';
import type { StoreSpec } from '#src/state/contract.js';
import { databases, rows, StoreLab } from '../../support/stores.js';

const text: StoreSpec<string, string> = { name: 'texts', kind: 'keyValue', key: serdes.string, value: serdes.string };

for (const [name, place] of databases) {
  describe(`a key-value store over ${name}`, () => {
    let lab: StoreLab<string, string>;

    async function open(spec = text, maxBytes?: number): Promise<StoreLab<string, string>['store']> {
      lab = new StoreLab(spec, place(), maxBytes);
      return lab.open();
    }

    afterEach(() => lab?.close());

    it('reads see what is written, committed or not', async () => {
      const store = await open();
      assert.equal(await store.load('a'), null);
      store.put('a', 'one', 5);
      assert.equal(store.get('a'), 'one');
      assert.equal(store.row('a')?.timestamp, 5);
      await lab.commit();
      assert.equal(store.get('a'), 'one');
      store.put('a', 'two', 6);
      assert.equal(await store.load('a'), 'two');
      store.delete('a');
      assert.equal(store.get('a'), null);
      assert.equal(store.row('a'), null);
    });

    it('what was not committed is gone after it is opened again, and what was is there', async () => {
      const store = await open();
      store.put('a', 'kept', 1);
      await lab.commit();
      store.put('a', 'lost');
      store.put('b', 'lost');
      await lab.reopen();
      assert.equal(await lab.store.load('a'), 'kept');
      assert.equal(await lab.store.load('b'), null);
    });

    it('a row has the timestamp of the record that is at hand, unless another is given', async () => {
      const store = await open();
      lab.cause.timestamp = 42;
      store.put('a', 'x');
      store.put('b', 'x', 7);
      assert.equal(store.row('a')?.timestamp, 42);
      assert.equal(store.row('b')?.timestamp, 7);
    });

    it('a key that is being loaded is read once, and the next to ask for it waits', async () => {
      const store = await open();
      store.put('a', 'one', 5);
      await lab.commit();
      await lab.reopen();
      void lab.store.load('a');
      lab.store.want('a');
      assert.equal(lab.store.hasWanted, true);
      await lab.store.loadWanted();
      assert.equal(lab.store.get('a'), 'one');
      assert.equal(lab.store.hasWanted, false);
      assert.deepEqual(lab.reads, [1]);
    });

    it('STORE_KEY_NOT_LOADED: a key is read that was neither declared nor loaded', async () => {
      const store = await open();
      store.put('a', 'x');
      await lab.commit();
      await lab.reopen();
      for (const read of [() => lab.store.get('a'), () => lab.store.row('a')]) {
        assert.throws(
          read,
          (error) =>
            isStreamsError(error) &&
            error.code === 'STORE_KEY_NOT_LOADED' &&
            /store texts: saw key "a"/.test(error.message),
        );
      }
      lab.store.want('a');
      assert.throws(() => lab.store.get('a'));
      await lab.store.loadWanted();
      assert.equal(lab.store.get('a'), 'x');
    });

    it('the same key may be loaded twice at the same time', async () => {
      const store = await open();
      store.put('a', 'x');
      await lab.commit();
      await lab.reopen();
      assert.deepEqual(await Promise.all([lab.store.load('a'), lab.store.load('a'), lab.store.load('b')]), [
        'x',
        'x',
        null,
      ]);
    });

    it('what is written while a read is under way is newer than what is read', async () => {
      const store = await open();
      store.put('a', 'old');
      await lab.commit();
      await lab.reopen();
      const reading = lab.store.load('a');
      lab.store.put('a', 'new');
      assert.equal(await reading, 'new');
    });

    it('lists rows in the order of their keys, with what is written and not committed', async () => {
      const store = await open();
      for (const key of ['b', 'd', 'f', 'h']) store.put(key, `disk ${key}`);
      await lab.commit();
      store.put('a', 'new a');
      store.put('d', 'new d');
      store.put('g', 'new g');
      store.delete('f');
      const all = [
        ['a', 'new a'],
        ['b', 'disk b'],
        ['d', 'new d'],
        ['g', 'new g'],
        ['h', 'disk h'],
      ];
      assert.deepEqual(await rows(store.entries()), all);
      assert.deepEqual(await rows(store.entries({ reverse: true })), all.toReversed());
      assert.deepEqual(await rows(store.entries({ from: 'b', to: 'g' })), all.slice(1, 4));
      assert.deepEqual(await rows(store.entries({ from: 'b', to: 'g', reverse: true })), all.slice(1, 4).toReversed());
      assert.deepEqual(await rows(store.entries({ from: 'x' })), []);
      assert.deepEqual(await rows(store.entries({ from: 'g', to: 'b' })), []);
    });

    it('lists rows as they were when the listing began, whatever is written, committed and evicted meanwhile', async () => {
      const store = await open(text, 0);
      store.put('a', 'disk a');
      store.put('d', 'disk d');
      await lab.commit();
      for (const key of ['b', 'c']) store.put(key, `new ${key}`);
      const listed = rows(
        (async function* () {
          for await (const row of store.entries()) {
            yield row;
            if (row[0] !== 'a') continue;
            await store.load('d');
            store.put('b', 'later b');
            store.put('d', 'later d');
            store.delete('c');
            store.put('e', 'later e');
            await lab.commit();
            // The entries of the evicted rows become those of other keys.
            await store.loadAll(['v', 'w', 'x', 'y', 'z']);
          }
        })(),
      );
      assert.deepEqual(await listed, [
        ['a', 'disk a'],
        ['b', 'new b'],
        ['c', 'new c'],
        ['d', 'disk d'],
      ]);
    });

    it('logs the last state of each changed key, in the order of first change, with its cause', async () => {
      const store = await open();
      for (const [offset, key] of ['a', 'b', 'a'].entries()) {
        lab.cause.offset = offset;
        store.put(key, `${offset}`, 10 * offset);
      }
      assert.deepEqual(
        (await lab.commit()).map((entry) => ({ ...entry, key: entry.key.toString(), value: entry.value?.toString() })),
        [
          { key: 'a', value: '2', timestamp: 20, causeTopic: 'in', causeOffset: 2 },
          { key: 'b', value: '1', timestamp: 10, causeTopic: 'in', causeOffset: 1 },
        ],
      );
      assert.deepEqual(await lab.commit(), []);
    });

    it('a row written and deleted between two commits logs nothing; one from before leaves a tombstone', async () => {
      const store = await open();
      await store.load('new');
      store.put('new', 'x');
      store.delete('new');
      assert.deepEqual(await lab.commit(), []);
      store.put('old', 'x');
      await lab.commit();
      store.put('old', 'y');
      store.delete('old');
      assert.deepEqual(
        (await lab.commit()).map(({ key, value }) => [key.toString(), value]),
        [['old', null]],
      );
    });

    it('a deletion of a key that was never read leaves a tombstone, since it may be on disk', async () => {
      const store = await open();
      store.put('a', 'x');
      await lab.commit();
      await lab.reopen();
      lab.store.delete('a');
      assert.equal((await lab.commit()).length, 1);
      await lab.reopen();
      assert.equal(await lab.store.load('a'), null);
    });

    it('reads each key from disk once, absent ones included', async () => {
      await open();
      await lab.reopen();
      const { store } = lab;
      for (let turn = 0; turn < 3; turn++) {
        for (const key of ['a', 'b', 'a']) store.want(key);
        if (store.hasWanted) await store.loadWanted();
      }
      assert.deepEqual(lab.reads, [2]);
    });

    it('that began empty asks the disk for no key that was never written', async () => {
      const store = await open(text, 1);
      for (const key of ['a', 'b']) store.put(key, `first ${key}`);
      await lab.commit();
      store.delete('b');
      await lab.commit();
      assert.deepEqual(await Promise.all(['a', 'b', 'c', 'd'].map((key) => store.load(key))), [
        'first a',
        null,
        null,
        null,
      ]);
      assert.deepEqual(lab.reads, [1, 1]);
      await lab.reopen();
      assert.deepEqual(await Promise.all(['a', 'c'].map((key) => lab.store.load(key))), ['first a', null]);
      assert.deepEqual(lab.reads, [1, 1, 1, 1]);
    });

    it('eviction never loses a row that is not committed, and keeps the memory near its budget', async () => {
      const store = await open(text, 5_000);
      for (let i = 0; i < 500; i++) {
        store.put(`k${i}`, `v${i}`);
        if (i % 50 === 49) await lab.commit();
        store.evict();
      }
      store.put('last', 'dirty');
      store.evict();
      assert.equal(store.get('last'), 'dirty');
      await lab.commit();
      store.evict();
      assert.ok(lab.budget.usedBytes <= lab.budget.maxBytes + 200, `${lab.budget.usedBytes} bytes`);
      for (let i = 0; i < 500; i++) assert.equal(await store.load(`k${i}`), `v${i}`);
    });

    it('evicts what was not touched since it last looked before what was', async () => {
      const store = await open(text, 1_000);
      for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) store.put(key, 'x');
      await lab.commit();
      // A second look after which only "f" is touched.
      lab.reads = [];
      store.put('f', 'y');
      await lab.commit();
      assert.equal(store.get('f'), 'y');
      assert.deepEqual(lab.reads, []);
    });

    it('counts the bytes that it keeps until the commit, of a serde that has to encode to check', async () => {
      const { check: _, ...unchecked } = serdes.string;
      const store = await open({ ...text, value: unchecked });
      const used = (): number => lab.budget.usedBytes;
      await store.load('a');
      const empty = used();
      // The row itself, decoded, and its bytes.
      store.put('a', 'v'.repeat(1_000));
      assert.equal(used(), empty + 3 * 1_000 + 1_000);
      store.put('a', 'v'.repeat(3_000));
      assert.equal(used(), empty + 3 * 3_000 + 3_000);
      // That a row has become shorter is known when it is committed.
      store.put('a', null);
      assert.equal(used(), empty + 3 * 3_000);
      store.put('a', 'v'.repeat(2_000));
      await lab.commit();
      // The row alone.
      const committed = used();
      assert.ok(committed >= empty + 3 * 2_000 && committed < empty + 3 * 2_000 + 100, `${committed - empty}`);
      store.put('a', 'v'.repeat(10));
      store.close();
      assert.equal(used(), 0);
    });

    it('gives all of its memory back when it is closed', async () => {
      const store = await open();
      for (let i = 0; i < 20; i++) store.put(`k${i}`, 'v'.repeat(100));
      await lab.commit();
      assert.ok(lab.budget.usedBytes > 20 * 400);
      store.close();
      assert.equal(lab.budget.usedBytes, 0);
    });

    it('is a Map that survives, whatever is written, committed, evicted and opened again', async () => {
      const key = fc.constantFrom('', 'a', 'ab', 'b', '\u00e9', '\ud83d\ude00', 'z');
      const action = fc.oneof(
        fc.record({ do: fc.constant('put' as const), key, value: fc.string({ maxLength: 3 }) }),
        fc.record({ do: fc.constant('delete' as const), key }),
        fc.record({ do: fc.constantFrom('load' as const, 'list' as const), key }),
        fc.record({ do: fc.constantFrom('commit' as const, 'evict' as const, 'reopen' as const) }),
      );
      await fc.assert(
        fc.asyncProperty(
          fc.array(action, { maxLength: 40 }),
          fc.constantFrom(1, 600, 1e6),
          async (actions, maxBytes) => {
            await lab?.close();
            const store = (): typeof lab.store => lab.store;
            await open(text, maxBytes);
            let model = new Map<string, string>();
            let committed = new Map<string, string>();
            const sorted = (from: string): [string, string][] =>
              [...model]
                .filter(([k]) => Buffer.compare(Buffer.from(k), Buffer.from(from)) >= 0)
                .toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
            for (const act of actions) {
              if (act.do === 'put') {
                store().put(act.key, act.value);
                model.set(act.key, act.value);
              } else if (act.do === 'delete') {
                store().delete(act.key);
                model.delete(act.key);
              } else if (act.do === 'load') assert.equal(await store().load(act.key), model.get(act.key) ?? null);
              else if (act.do === 'list')
                assert.deepEqual(await rows(store().entries({ from: act.key })), sorted(act.key));
              else if (act.do === 'evict') store().evict();
              else if (act.do === 'commit') {
                await lab.commit();
                committed = new Map(model);
              } else {
                await lab.reopen();
                model = new Map(committed);
              }
            }
            assert.deepEqual(await rows(store().entries()), sorted(''));
          },
        ),
        { numRuns: name === 'memory' ? 300 : 25 },
      );
    });
  });
}
