import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Database, OpenDatabase } from '#src/model/database.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { serdes } from '#src/serdes/serdes.js';
import { CacheBudget } from '#src/state/cache/cache-budget.js';
import { memoryDatabases } from '#src/state/database/memory.js';
import { memoryIdentityFiles } from '#src/state/directory/identity-files.js';
import { GlobalState } from '#src/state/global/global-state.js';
import type { GlobalStore } from '#src/state/global/global-store.js';
import { GlobalView } from '#src/state/global/global-view.js';
import { databases, rows } from '../../support/stores.js';
import { isStreamsError } from '../support.js';

const spec = { name: 'rates', kind: 'keyValue', key: serdes.string, value: serdes.string } as const;

/** One global store whose database can be watched and broken. */
class Lab {
  readonly budget: CacheBudget;
  /** Keys asked of the database, one number a round trip. */
  readonly reads: number[] = [];
  beforeRead: () => Promise<void> | undefined = () => undefined;
  beforeWrite: () => Promise<void> | undefined = () => undefined;
  state!: GlobalState;
  readonly #options: { root: string; openDatabase: OpenDatabase; files: ReturnType<typeof memoryIdentityFiles> };

  constructor(root = 'state', openDatabase: OpenDatabase = memoryDatabases(), maxBytes = 1_000_000) {
    this.budget = new CacheBudget(maxBytes);
    this.#options = {
      root,
      openDatabase: async (directory) => this.#watched(await openDatabase(directory)),
      files: memoryIdentityFiles(),
    };
  }

  get store(): GlobalStore<string, string> {
    return this.state.store('rates') as unknown as GlobalStore<string, string>;
  }

  view(): GlobalView<string, string> {
    return new GlobalView(this.store);
  }

  async open(topic = 'rates'): Promise<this> {
    const tables = [{ topic, spec }];
    this.state = await GlobalState.open({
      ...this.#options,
      applicationId: 'app',
      topology: 'app',
      tables,
      budget: this.budget,
    });
    return this;
  }

  apply(changes: Readonly<Record<string, string | null>>, offset = 1, topic = 'rates'): Promise<void> {
    const rows = Object.entries(changes).map(([key, value]) => ({
      store: 'rates',
      key,
      value: value === null ? null : Buffer.from(value),
      timestamp: offset,
    }));
    return this.state.apply(rows, [{ store: 'rates', topic, partition: 0, offset, log: { asOf: offset } }]);
  }

  #watched(database: Database): Database {
    return {
      getMany: async (keys) => {
        this.reads.push(keys.length);
        const found = await database.getMany(keys);
        await this.beforeRead();
        return found;
      },
      write: async (writes, options) => {
        await this.beforeWrite();
        await database.write(writes, options);
      },
      scan: (range) => database.scan(range),
      close: () => database.close(),
    };
  }
}

async function loaded(view: GlobalView<string, string>, ...keys: string[]): Promise<(string | null)[]> {
  for (const key of keys) view.want(key);
  if (view.hasWanted) await view.loadWanted();
  return keys.map((key) => view.get(key));
}

for (const [name, place] of databases) {
  describe(`a global store over ${name}`, () => {
    let lab: Lab;
    beforeEach(async () => {
      const { directory, openDatabase } = place();
      lab = await new Lab(directory, openDatabase).open();
    });
    afterEach(() => lab.state.close());

    it('reads what many records want in one round trip, and what anybody has read not again', async () => {
      await lab.apply({ a: '1', b: '2' });
      lab.reads.length = 0;
      assert.deepEqual(await loaded(lab.view(), 'a', 'b', 'a', 'none'), ['1', '2', '1', null]);
      assert.deepEqual(await loaded(lab.view(), 'b', 'none'), ['2', null]);
      assert.deepEqual(lab.reads, [3]);
    });

    it('what a batch has looked up stays as it was until it lets go', async () => {
      await lab.apply({ a: '1', b: '2' });
      const view = lab.view();
      assert.deepEqual(await loaded(view, 'a', 'none'), ['1', null]);
      await lab.apply({ a: '3', b: null, none: '4' }, 2);
      assert.deepEqual(await loaded(view, 'a', 'none', 'b'), ['1', null, null]);
      assert.equal(await view.load('a'), '1');
      view.release();
      assert.throws(() => view.get('a'), { code: 'STORE_KEY_NOT_LOADED' });
      assert.deepEqual(await loaded(view, 'a', 'none', 'b'), ['3', '4', null]);
      assert.deepEqual(view.row('a'), { value: '3', timestamp: 2 });
    });

    it('lists its rows in the order of their keys, within bounds and backwards', async () => {
      await lab.apply({ b: '2', a: '1', c: '3', ab: '4' });
      assert.deepEqual(await rows(lab.store.entries()), [
        ['a', '1'],
        ['ab', '4'],
        ['b', '2'],
        ['c', '3'],
      ]);
      assert.deepEqual(await rows(lab.view().entries({ from: 'ab', to: 'b', reverse: true })), [
        ['b', '2'],
        ['ab', '4'],
      ]);
    });

    it('is there with its positions when it is opened again', async () => {
      await lab.apply({ a: '1' }, 7);
      await lab.state.close();
      await lab.open();
      assert.deepEqual([...lab.state.positions('rates', 'rates')], [[0, 7]]);
      assert.deepEqual(await rows(lab.store.entries()), [['a', '1']]);
    });
  });
}

describe('a global store', () => {
  it('has rows and positions of one batch, or of none, when the disk fails', async () => {
    const lab = await new Lab().open();
    await lab.apply({ a: '1' }, 1);
    lab.beforeWrite = () => Promise.reject(new Error('disk full'));
    await assert.rejects(lab.apply({ a: '2', b: '2' }, 2), /disk full/);
    lab.beforeWrite = () => undefined;
    await lab.state.close();
    await lab.open();
    assert.deepEqual([...lab.state.positions('rates', 'rates')], [[0, 1]]);
    assert.deepEqual(await rows(lab.store.entries()), [['a', '1']]);
  });

  it('does not cache what was read while the row changed', async () => {
    const lab = await new Lab().open();
    await lab.apply({ a: '1' });
    let goOn = (): void => undefined;
    lab.beforeRead = () =>
      new Promise((resolve) => {
        goOn = resolve;
      });
    const early = loaded(lab.view(), 'a');
    await nextTurn();
    await lab.apply({ a: '2' }, 2);
    goOn();
    assert.deepEqual(await early, ['1']);
    lab.beforeRead = () => undefined;
    assert.deepEqual(await loaded(lab.view(), 'a'), ['2']);
  });

  it('gives memory back when it is short, at close all of it, and never what a batch holds', async () => {
    const lab = await new Lab('state', memoryDatabases(), 1).open();
    await lab.apply({ a: '1', b: '2' });
    const [view, other] = [lab.view(), lab.view()];
    await loaded(view, 'a', 'b');
    assert.ok(lab.budget.usedBytes > 500);
    for (let i = 0; i < 2; i++) other.release();
    assert.equal(lab.budget.usedBytes, 0);
    assert.equal(view.get('a'), '1');
    await loaded(other, 'a');
    assert.ok(lab.budget.usedBytes > 0);
    await lab.state.close();
    assert.equal(lab.budget.usedBytes, 0);
  });

  it('is emptied when its topic is another than before, also if that was interrupted', async () => {
    const lab = await new Lab().open();
    await lab.apply({ a: '1', b: '2' }, 2);
    await lab.state.close();
    let writes = 0;
    lab.beforeWrite = () => (++writes === 2 ? Promise.reject(new Error('disk full')) : undefined);
    await assert.rejects(lab.open('others'), /disk full/);
    lab.beforeWrite = () => undefined;
    await lab.open('others');
    assert.deepEqual(await rows(lab.store.entries()), []);
    await lab.apply({ c: '3' }, 1, 'others');
    await lab.state.close();
    await lab.open('rates');
    assert.equal(lab.state.positions('rates', 'rates').size, 0);
    assert.deepEqual(await rows(lab.store.entries()), []);
  });

  it('takes a second directory while another engine has the first, and the first again when it is free', async () => {
    const databases = memoryDatabases();
    const first = await new Lab('state', databases).open();
    const second = await new Lab('state', databases).open();
    assert.match(first.state.directory, /app.global$/);
    assert.match(second.state.directory, /app.global\.2$/);
    await first.state.close();
    await first.open();
    assert.match(first.state.directory, /app.global$/);
  });

  it('refuses rows of another serde', async () => {
    const [databases, files] = [memoryDatabases(), memoryIdentityFiles()];
    const open = (value: unknown) =>
      GlobalState.open({
        root: 'state',
        applicationId: 'app',
        topology: 'app',
        openDatabase: databases,
        files,
        budget: new CacheBudget(1),
        tables: [{ topic: 'rates', spec: { ...spec, value: value as typeof spec.value } }],
      });
    await (await open(serdes.string)).close();
    await assert.rejects(open(serdes.int64), isStreamsError('STATE_MISMATCH', /value serde "string"/));
  });

  it('whatever comes between: no look-up goes back in time, and after a change is there all see it', async () => {
    const step = fc.oneof(
      fc.record({ apply: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ read: fc.nat(2), key: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ wait: fc.nat(3) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.infiniteStream(fc.nat(3)), async (steps, delays) => {
        const lab = await new Lab().open();
        const slow = async (): Promise<void> => {
          for (let left = delays.next().value as number; left > 0; left--) await nextTurn();
        };
        lab.beforeRead = slow;
        lab.beforeWrite = slow;
        const views = [lab.view(), lab.view(), lab.view()];
        const seen = views.map(() => ({ a: 0, b: 0, c: 0 }) as Record<string, number>);
        const readers = views.map(() => Promise.resolve());
        let writer = Promise.resolve();
        let n = 0;
        const last: Record<string, number> = { a: 0, b: 0, c: 0 };
        const look = async (reader: number, key: string): Promise<number> => {
          const [value] = await loaded(views[reader]!, key);
          views[reader]!.release();
          const version = Number(value ?? 0);
          assert.ok(version >= seen[reader]![key]!, `saw ${version} of ${key} after ${seen[reader]![key]}`);
          seen[reader]![key] = version;
          return version;
        };
        for (const next of steps) {
          if ('apply' in next) {
            const version = ++n;
            last[next.apply] = version;
            writer = writer.then(() => lab.apply({ [next.apply]: `${version}` }, version));
          } else if ('read' in next) {
            readers[next.read] = readers[next.read]!.then(() => look(next.read, next.key).then(() => undefined));
          } else for (let left = next.wait; left > 0; left--) await nextTurn();
        }
        await Promise.all([writer, ...readers]);
        for (const reader of [0, 1, 2])
          for (const key of ['a', 'b', 'c']) assert.equal(await look(reader, key), last[key]);
        await lab.state.close();
      }),
      { numRuns: 150 },
    );
  });
});
