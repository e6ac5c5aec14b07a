import assert from 'node:assert/strict';
import type { OpenDatabase } from '#src/model/database.js';
import type { Serde } from '#src/serdes/serde.js';
import { serdes } from '#src/serdes/serdes.js';
import type { StoreSpec } from '#src/state/contract.js';
import { memoryDatabases } from '#src/state/database/memory.js';
import { failure } from '../../dsl/support.js';
import { databases, StoreLab } from '../../support/stores.js';

const HALF = 'half an emoji \ud83d';
const refused = failure('SERIALIZE_FAILED', /store numbers/);
const numbers: StoreSpec<string, number> = {
  name: 'numbers',
  kind: 'keyValue',
  key: serdes.string,
  value: serdes.int64,
};

/** Counts how often it encodes. */
function counting(): { readonly serde: Serde<number>; encoded(): number } {
  let encoded = 0;
  const encode = (value: number): Buffer => {
    encoded++;
    return serdes.int64.encode(value);
  };
  return { serde: { name: 'counting', encode, decode: serdes.int64.decode }, encoded: () => encoded };
}

for (const [name, place] of databases) {
  describe(`what a store over ${name} cannot write`, () => {
    let lab: StoreLab<any, any>;

    async function open(spec: StoreSpec<any, any> = numbers) {
      lab = new StoreLab(spec, place());
      return lab.open();
    }

    afterEach(() => lab?.close());

    it('a value is refused when it is put, and the row stays as it was', async () => {
      const store = await open();
      store.put('a', 1);
      for (const value of [0.5, Number.NaN, undefined, '1', 1n]) {
        assert.throws(() => store.put('a', value), refused);
        assert.throws(() => store.insert('b', value), refused);
      }
      assert.equal(store.get('a'), 1);
      assert.equal(await store.load('b'), null);
      assert.deepEqual(
        (await lab.commit()).map(({ key }) => key.toString()),
        ['a'],
      );
    });

    it('a key is refused when it is declared, loaded or put, and leaves others alone', async () => {
      const store = await open();
      for (const key of [HALF, 5, undefined]) {
        assert.throws(() => store.want(key), refused);
        assert.throws(() => store.put(key, 1), refused);
        assert.throws(() => store.insert(key, 1), refused);
        await assert.rejects(store.load(key), refused);
      }
      store.want('a');
      await store.loadWanted();
      assert.equal(store.get('a'), null);
      store.put('a', 1);
      assert.equal((await lab.commit()).length, 1);
    });

    it('a window of a key that it cannot write is refused', async () => {
      const store = await open({ ...numbers, key: serdes.windowed(serdes.string) });
      for (const window of [
        { key: HALF, start: 0, end: 1 },
        { key: 'a', start: -1.5, end: 1 },
        { key: 'a', start: 0.5, end: 1 },
      ]) {
        assert.throws(() => store.want(window), refused);
        assert.throws(() => store.put(window, 1), refused);
      }
    });

    it('a serde without a check encodes each value that is put, and not again for the commit', async () => {
      const { serde, encoded } = counting();
      const store = await open({ ...numbers, value: serde });
      store.put('a', 1);
      store.put('a', 2);
      store.put('b', 3);
      assert.throws(() => store.put('b', 0.5), refused);
      assert.equal(encoded(), 4);
      await lab.commit();
      assert.equal(encoded(), 4);
      await lab.reopen();
      assert.deepEqual([await lab.store.load('a'), await lab.store.load('b')], [2, 3]);
    });
  });
}

describe('a disk that fails while rows are loaded', () => {
  it('is the error of those that wait for them, and of no others', async () => {
    const openMemory = memoryDatabases();
    let failing = false;
    const openDatabase: OpenDatabase = async (directory) => {
      const database = await openMemory(directory);
      return {
        getMany: async (keys) => {
          if (failing) throw new Error('the disk failed');
          return database.getMany(keys);
        },
        write: (writes, options) => database.write(writes, options),
        scan: (range) => database.scan(range),
        close: () => database.close(),
      };
    };
    const unhandled: unknown[] = [];
    const listener = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', listener);
    const lab = new StoreLab(numbers, { directory: 'db', openDatabase });
    try {
      await lab.open();
      // A store that began empty knows which keys it has: this one did not.
      await lab.reopen();
      failing = true;
      await assert.rejects(lab.store.load('a'), /the disk failed/);
      const [first, second] = [lab.store.load('b'), lab.store.load('c')];
      await assert.rejects(first, /the disk failed/);
      await assert.rejects(second, /the disk failed/);
      // Node tells of rejections without a handler before the next turn of the event loop.
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(unhandled, []);
    } finally {
      process.off('unhandledRejection', listener);
      await lab.close();
    }
  });
});
