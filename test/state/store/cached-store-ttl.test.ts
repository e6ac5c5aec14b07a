import assert from 'node:assert/strict';
import fc from 'fast-check';
import { serdes } from '#src/serdes/serdes.js';
import type { StoreSpec } from '#src/state/contract.js';
import { databases, rows, StoreLab } from '../../support/stores.js';

const TTL = 100;
const ids: StoreSpec<string, string> = {
  name: 'ids',
  kind: 'keyValue',
  key: serdes.string,
  value: serdes.string,
  ttlMs: TTL,
};
const binary: StoreSpec<Buffer, Buffer> = { name: 'bytes', kind: 'keyValue', key: serdes.bytes, value: serdes.bytes };

for (const [name, place] of databases) {
  describe(`a store with a time to live over ${name}`, () => {
    let lab: StoreLab<string, string>;
    let store: typeof lab.store;

    beforeEach(async () => {
      lab = new StoreLab(ids, place());
      store = await lab.open();
    });

    afterEach(() => lab.close());

    const logged = async (): Promise<string[]> => (await lab.commit()).map(({ key, value }) => `${key}=${value}`);

    it('keeps a row until stream time has passed its timestamp + ttl, not at that moment', async () => {
      store.put('a', 'x', 10);
      store.advanceTime(110);
      assert.equal(store.get('a'), 'x');
      store.advanceTime(111);
      assert.equal(store.get('a'), null);
      assert.equal(store.row('a'), null);
      assert.deepEqual(await rows(store.entries()), []);
    });

    it('has the highest time that it has seen as its stream time: a late row does not put it back', () => {
      assert.equal(store.streamTime, Number.NEGATIVE_INFINITY);
      store.put('a', 'x', 50);
      store.put('b', 'x', 20);
      store.advanceTime(30);
      assert.equal(store.streamTime, 50);
    });

    it('hides expired rows on disk as well, before they are removed', async () => {
      store.put('a', 'x', 10);
      await lab.commit();
      await lab.reopen();
      store = lab.store;
      store.advanceTime(500);
      assert.equal(await store.load('a'), null);
      assert.deepEqual(await rows(store.entries()), []);
    });

    // After a restart it learns with its first commit what is there.
    it('asks the database for no key that it never wrote, also after a restart, and finds those it did', async () => {
      store.put('a', 'x', 10);
      await lab.commit();
      const asked = async (): Promise<number> => {
        lab.reads = [];
        assert.equal(await lab.store.load('new'), null);
        assert.equal(await lab.store.load('newer'), null);
        return lab.reads.length;
      };
      assert.equal(await asked(), 0);
      await lab.reopen();
      assert.equal(await asked(), 2, 'it has yet to learn what is there');
      assert.equal(await lab.store.load('a'), 'x');
      await lab.reopen();
      await lab.commit();
      assert.equal(await asked(), 0);
      assert.equal(await lab.store.load('a'), 'x');
      const writes: Parameters<typeof store.restore>[1] = [];
      lab.store.restore([{ key: Buffer.from('b'), value: Buffer.from('y'), timestamp: 11 }], writes);
      await lab.write(writes);
      assert.equal(await lab.store.load('b'), 'y');
    });

    it('removes expired rows with tombstones in the changelog', async () => {
      store.put('a', 'x', 10);
      store.put('b', 'x', 20);
      assert.deepEqual(await logged(), ['a=x', 'b=x']);
      store.put('c', 'x', 121);
      assert.deepEqual((await logged()).toSorted(), ['a=null', 'b=null', 'c=x']);
      assert.deepEqual(await logged(), []);
    });

    it('does not remove a row that was written again meanwhile', async () => {
      store.put('a', 'old', 10);
      await lab.commit();
      store.put('a', 'new', 100);
      await lab.commit();
      store.advanceTime(150);
      assert.deepEqual(await logged(), []);
      assert.equal(store.get('a'), 'new');
    });

    it('writes a row that has expired as if there were none', async () => {
      store.put('a', 'old', 10);
      await lab.commit();
      store.put('a', 'new', 500);
      assert.equal(store.get('a'), 'new');
      await lab.commit();
      await lab.reopen();
      assert.equal(await lab.store.load('a'), 'new');
    });

    it('removes at most a thousand rows a commit, or twice what it adds, so that a backlog shrinks', async () => {
      for (let i = 0; i < 2_500; i++) store.put(`k${i}`, 'x', 0);
      await lab.commit();
      store.advanceTime(1_000);
      const sizes: number[] = [];
      for (let commit = 0; commit < 4; commit++) sizes.push((await lab.commit()).length);
      assert.deepEqual(sizes, [1_000, 1_000, 500, 0]);
    });

    it('removes a row whose life is that of its key without reading it, and none that is deleted already', async () => {
      const born = new StoreLab({ ...ids, bornAt: (key) => Number(key.slice(1)) }, place());
      const keyed = await born.open();
      for (const key of ['k10', 'k20']) keyed.put(key, 'x', 90);
      await born.commit();
      keyed.put('k30', 'x', 20);
      await born.commit();
      await born.reopen();
      await born.store.load('k10');
      born.store.delete('k10');
      await born.commit();
      born.reads = [];
      born.store.advanceTime(125);
      assert.deepEqual(
        (await born.commit()).map(({ key, value, timestamp }) => [String(key), value, timestamp]),
        [['k20', null, 20]],
      );
      assert.deepEqual(born.reads, []);
      assert.equal(await born.store.load('k30'), 'x');
      await born.close();
    });

    it('keeps what is alive and removes what is not, whatever is written when, committed and opened again', async () => {
      const action = fc.oneof(
        {
          weight: 4,
          arbitrary: fc.record({
            do: fc.constant('put' as const),
            key: fc.constantFrom('a', 'b', 'c', 'd'),
            at: fc.integer({ min: -60, max: 90 }),
          }),
        },
        fc.record({ do: fc.constantFrom('commit' as const, 'evict' as const) }),
        fc.record({ do: fc.constant('reopen' as const) }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
          await lab.close();
          lab = new StoreLab(ids, place(), 500);
          await lab.open();
          const model = new Map<string, number>();
          let now = 0;
          for (const act of actions) {
            if (act.do === 'put') {
              now = Math.max(0, now + act.at);
              lab.store.put(act.key, `${now}`, now);
              model.set(act.key, now);
            } else if (act.do === 'evict') lab.store.evict();
            else {
              await lab.commit();
              if (act.do === 'reopen') await lab.reopen();
            }
          }
          const alive = [...model]
            .filter(([, at]) => at + TTL >= lab.store.streamTime)
            .map(([key, at]) => [key, `${at}`]);
          assert.deepEqual(await rows(lab.store.entries()), alive.toSorted());
          // The changelog tells the same, once everything expired was removed.
          await lab.commit();
          await lab.commit();
          const last = new Map(lab.changelog.map(({ key, value }) => [key.toString(), value?.toString()]));
          const logged = [...last].filter(
            ([key, value]) => value !== undefined && alive.some(([other]) => other === key),
          );
          assert.deepEqual(logged.toSorted(), alive.toSorted());
        }),
        { numRuns: name === 'memory' ? 300 : 25 },
      );
    });
  });

  it(`a store over ${name} keeps keys and values of any bytes, in the order of the bytes`, async () => {
    const lab = new StoreLab(binary, place());
    const store = await lab.open();
    const keys = ['', '00', '0000', '00ff', '7f', '80', 'ff', 'ff00', 'ffff', 'fffffe'].map((hex) =>
      Buffer.from(hex, 'hex'),
    );
    for (const key of keys.toReversed()) store.put(key, Buffer.from([...key, 0]));
    await lab.commit();
    const expected = keys.map((key) => [key, Buffer.from([...key, 0])]);
    assert.deepEqual(await rows(store.entries()), expected);
    await lab.reopen();
    assert.deepEqual(await rows(lab.store.entries()), expected);
    assert.deepEqual(await rows(lab.store.entries({ from: keys[3]!, to: keys[6]! })), expected.slice(3, 7));
    assert.deepEqual(
      await rows(lab.store.entries({ from: keys[3]!, to: keys[6]!, reverse: true })),
      expected.slice(3, 7).toReversed(),
    );
    for (const key of keys) assert.deepEqual(await lab.store.load(key), Buffer.from([...key, 0]));
    await lab.close();
  });
}
