import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import type { Serde } from '#src/serdes/serde.js';
import { serdes } from '#src/serdes/serdes.js';
import type { RowItems, StoreSpec } from '#src/state/contract.js';
import { prefixed, prefixOf, stamped } from '#src/state/layout.js';
import { compareStores, storeDifferences } from '#src/state/rebuild/compare-stores.js';
import type { ChangelogEntry } from '#src/state/rows/changelog-entry.js';
import { PAGE_BYTES } from '#src/state/rows/page-cut.js';
import { isPageKey, PAGE_MARK } from '#src/state/rows/page-format.js';
import { isError } from '../../support/errors.js';
import { databases, rows, StoreLab } from '../../support/stores.js';

/** An item as an operator has them: it stays the same object until it is another one. */
class Item {
  constructor(
    readonly order: number,
    readonly text: string,
  ) {}
}

/** Before everything: no row's life is over. */
const NO_TIME = Number.NEGATIVE_INFINITY;

type List = readonly Item[];

const FORMAT = 1;

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** The format, then for each item: its order (8), the length of its text (4), the text. */
const listSerde: Serde<List> = {
  name: 'list-1',
  encode: (list) =>
    Buffer.concat([
      Buffer.of(FORMAT),
      ...list.flatMap(({ order, text }) => [serdes.double.encode(order), uint32(text.length), Buffer.from(text)]),
    ]),
  decode(bytes) {
    if (bytes[0] !== FORMAT) throw new Error(`saw format ${bytes[0]}, expected ${FORMAT}`);
    const list: Item[] = [];
    for (let at = 1; at < bytes.length; ) {
      const end = at + 12 + bytes.readUInt32BE(at + 8);
      list.push(new Item(bytes.readDoubleBE(at), bytes.toString('utf8', at + 12, end)));
      at = end;
    }
    return list;
  },
};

const listItems: RowItems<List> = {
  of: (list) => list,
  size: (item: Item) => 12 + item.text.length,
  with: (_, items) => items as List,
};

const lists: StoreSpec<string, List> = {
  name: 'lists',
  kind: 'keyValue',
  key: serdes.string,
  value: listSerde,
  items: listItems,
};

/** So much may be about the items of a page: the key of the page, and what the serde adds. */
const ENVELOPE = 64;
const listOf = (from: number, count: number, bytes: number): List =>
  Array.from({ length: count }, (_, i) => new Item(from + i, 'x'.repeat(bytes)));
const longest = (entries: readonly ChangelogEntry[]): number =>
  Math.max(0, ...entries.map(({ key, value }) => key.length + (value?.length ?? 0)));

/** What a compacted changelog has left: the last record of each key, in the order of the log. */
function compacted(log: readonly ChangelogEntry[]): { key: Buffer; value: Buffer | null; timestamp: number }[] {
  const last = new Map(log.map((entry) => [entry.key.toString('latin1'), entry]));
  return log
    .filter((entry) => last.get(entry.key.toString('latin1')) === entry)
    .map(({ key, value, timestamp }) => ({ key, value, timestamp }));
}

for (const [name, place] of databases) {
  describe(`rows of any number of items over ${name}`, () => {
    let lab: StoreLab<string, List>;

    beforeEach(async () => {
      lab = new StoreLab(lists, place());
      await lab.open();
    });

    afterEach(() => lab.close());

    /** Everything in the database but the expiry index: how many rows, and pages. */
    const counted = async (): Promise<{ rows: number; pages: number }> => {
      const found = { rows: 0, pages: 0 };
      for (const key of await lab.keys()) found[isPageKey(key) ? 'pages' : 'rows']++;
      return found;
    };

    it('lie in one piece as long as they are small, as they always did', async () => {
      lab.store.insert('a', listOf(0, 20, 100));
      const [entry, ...others] = await lab.commit();
      assert.deepEqual(others, []);
      assert.deepEqual(entry?.value, listSerde.encode(listOf(0, 20, 100)));
    });

    it('are read whole after a restart, however long they are, also by a look-up', async () => {
      const list = listOf(0, 3_000, 100);
      lab.store.insert('a', list);
      lab.store.insert('b', listOf(0, 1, 10));
      await lab.commit();
      await lab.reopen();
      assert.deepEqual((await lab.store.peek('a'))?.value, list);
      assert.deepEqual(await rows(lab.store.entries()), [
        ['a', list],
        ['b', listOf(0, 1, 10)],
      ]);
      assert.deepEqual(await lab.store.load('a'), list);
      assert.deepEqual((await lab.store.peek('a', NO_TIME))?.value, list);
    });

    it('are one version or the other to a look-up, also if a row gets short and long again meanwhile', async () => {
      const [first, second] = [listOf(0, 600, 100), listOf(10_000, 2_000, 100)];
      lab.store.insert('a', first);
      await lab.commit();
      await lab.reopen();
      const change = async (list: List): Promise<void> => {
        await lab.store.load('a');
        lab.store.put('a', list);
        await lab.commit();
      };
      const looked = lab.store.peek('a');
      // The row is read; its pages are not yet.
      lab.meanwhile = [
        async () => {
          await change(listOf(0, 1, 10));
          await change(second);
        },
      ];
      const found = (await looked)?.value;
      assert.ok([first, second].some((list) => isDeepStrictEqual(found, list)));
    });

    it('are written to the changelog in records of a page at most, and then only what has changed', async () => {
      let list = listOf(0, 10_000, 150);
      lab.store.insert('a', list);
      assert.ok(longest(await lab.commit()) <= PAGE_BYTES + ENVELOPE);
      list = (await lab.store.load('a')) as List;
      list = [...list, new Item(20_000, 'y'.repeat(150))].slice(1);
      lab.store.put('a', list);
      const changed = await lab.commit();
      // The row; the first page and the last: what they were is deleted.
      assert.equal(changed.length, 5);
      const bytes = changed.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
      assert.ok(bytes < 3 * PAGE_BYTES, `${bytes} bytes`);
    });

    it('that another version wrote in one piece, however long, are read, and cut when they change', async () => {
      const list = listOf(0, 1_000, 100);
      const key = prefixed(prefixOf(7, 0), Buffer.from('a'));
      await lab.write([{ key, value: stamped(1, listSerde.encode(list)) }]);
      await lab.reopen();
      assert.deepEqual(await lab.store.load('a'), list);
      lab.store.put('a', [...((await lab.store.load('a')) ?? []), new Item(1_000, 'y')]);
      assert.ok(longest(await lab.commit()) <= PAGE_BYTES + ENVELOPE);
      await lab.reopen();
      assert.equal((await lab.store.load('a'))?.length, 1_001);
    });

    it('leave no page behind when they become short, are deleted, or deleted without having been read', async () => {
      for (const key of ['a', 'b', 'c']) lab.store.insert(key, listOf(0, 1_000, 100));
      await lab.commit();
      assert.equal((await counted()).rows, 3);
      await lab.store.loadAll(['a', 'b']);
      lab.store.put('a', listOf(0, 3, 10));
      lab.store.delete('b');
      await lab.commit();
      await lab.reopen();
      lab.store.delete('c');
      await lab.commit();
      assert.deepEqual(await counted(), { rows: 1, pages: 0 });
      assert.deepEqual(await rows(lab.store.entries()), [['a', listOf(0, 3, 10)]]);
      assert.deepEqual(compacted(lab.changelog).filter(({ value }) => value !== null).length, 1);
    });

    it('are refused if a page is missing: STATE_CORRUPT', async () => {
      lab.store.insert('a', listOf(0, 1_000, 100));
      await lab.commit();
      const page = (await lab.keys()).find(isPageKey) as Buffer;
      await lab.write([{ key: prefixed(prefixOf(7, 0), page), value: null }]);
      await lab.reopen();
      lab.store.want('a');
      await assert.rejects(lab.store.loadWanted(), isError('STATE_CORRUPT', /store lists/, /without one of its pages/));
      await assert.rejects(lab.store.peek('a'), isError('STATE_CORRUPT'));
    });

    it('have their pages logged again, like rows, as they are: also those that are not', async () => {
      const list = listOf(0, 1_000, 100);
      lab.store.insert('a', list);
      const written = await lab.commit();
      const pages = written.map(({ key }) => key).filter(isPageKey);
      const unknown = Buffer.concat([PAGE_MARK, Buffer.alloc(5), Buffer.of(99), Buffer.from('a')]);
      await lab.reopen();
      await lab.store.logAgain([...pages, unknown, Buffer.from('a')]);
      const again = await lab.commit();
      const shown = (entries: readonly ChangelogEntry[]) =>
        entries.map(({ key, value }) => `${key.toString('latin1')} ${value?.toString('latin1')}`).sort();
      assert.deepEqual(shown(again), [...shown(written), `${unknown.toString('latin1')} undefined`].sort());
    });

    it('equal a plain map after any changes, restarts, small caches, and a restore from the changelog', async () => {
      const change = fc.record({
        key: fc.constantFrom('a', 'b', 'cc'),
        at: fc.double({ min: 0, max: 1, noNaN: true }),
        removed: fc.oneof(fc.nat({ max: 5 }), fc.nat({ max: 2_000 })),
        added: fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 400 })),
        bytes: fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 2 * PAGE_BYTES })),
      });
      const steps = fc.array(
        fc.oneof(
          { weight: 6, arbitrary: fc.record({ change }) },
          { weight: 2, arbitrary: fc.constant('commit' as const) },
          { weight: 1, arbitrary: fc.constant('reopen' as const) },
          { weight: 1, arbitrary: fc.record({ blind: fc.constantFrom('a', 'b', 'cc') }) },
        ),
        { maxLength: 25 },
      );
      await fc.assert(
        fc.asyncProperty(steps, fc.constantFrom(0, 1_000_000), async (story, cacheBytes) => {
          const own = new StoreLab(lists, place(), cacheBytes);
          await own.open();
          let model = new Map<string, List>();
          let committed = new Map(model);
          let order = 0;
          let largest = 0;
          const commit = async (): Promise<void> => {
            assert.ok(longest(await own.commit()) <= Math.max(PAGE_BYTES, largest) + ENVELOPE);
            committed = new Map(model);
          };
          for (const step of story) {
            if (step === 'commit') await commit();
            else if (step === 'reopen') {
              await own.reopen();
              model = new Map(committed);
            } else if ('blind' in step) {
              own.store.delete(step.blind);
              model.delete(step.blind);
            } else {
              const { key, at, removed, added, bytes } = step.change;
              // Together they are a few megabytes at most.
              const count = Math.min(added, Math.ceil(200_000 / (bytes + 1)));
              const before = (await own.store.load(key)) ?? [];
              const more = Array.from({ length: count }, () => new Item(order++, 'x'.repeat(bytes)));
              const list = before.toSpliced(Math.floor(at * before.length), removed, ...more);
              largest = Math.max(largest, 12 + bytes);
              own.store.put(key, list.length > 0 ? list : null);
              if (list.length > 0) model.set(key, list);
              else model.delete(key);
            }
            const expected = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
            assert.deepEqual(await rows(own.store.entries()), expected);
          }
          await commit();
          for (const [key, list] of model) assert.deepEqual((await own.store.peek(key))?.value, list);

          const fresh = new StoreLab(lists, place());
          await fresh.open();
          await fresh.restore(compacted(own.changelog));
          assert.deepEqual(
            (await rows(fresh.store.entries())).map(([key]) => key),
            [...model.keys()].sort(),
          );
          for (const [key, list] of model) assert.deepEqual(await fresh.store.load(key), list);
          assert.deepEqual(await fresh.keys(), await own.keys());
          await fresh.close();
          await own.close();
        }),
        { numRuns: name === 'memory' ? 100 : 15 },
      );
    });
  });
}

describe('rows of any number of items that expire', () => {
  it('take their pages along, whether their life is that of the row or of its key', async () => {
    const [, memory] = databases[0]!;
    for (const bornAt of [undefined, (key: string) => Number(key)]) {
      const lab = new StoreLab<string, List>({ ...lists, ttlMs: 100, ...(bornAt && { bornAt }) }, memory());
      await lab.open();
      lab.store.insert('10', listOf(0, 1_000, 100), 10);
      await lab.commit();
      await lab.reopen();
      lab.store.advanceTime(200);
      assert.equal(await lab.store.load('10'), null);
      await lab.commit();
      assert.deepEqual(await lab.keys(), []);
      assert.ok(compacted(lab.changelog).every(({ value }) => value === null));
      await lab.close();
    }
  });
});

describe('two stores with rows in pages', () => {
  const [, memory] = databases[0]!;

  it('are compared by their rows, not by their pages, and the differences turn one into the other', async () => {
    const [old, fresh] = [new StoreLab(lists, memory()), new StoreLab(lists, memory())];
    await old.open();
    await fresh.open();
    const list = listOf(0, 1_000, 100);
    // The one has grown from the front, the other was made at once.
    for (let from = 900; from >= 0; from -= 100) {
      old.store.put('same', list.slice(from));
      await old.commit();
    }
    fresh.store.put('same', list);
    for (const { store } of [old, fresh]) store.put('other', listOf(0, store === old.store ? 900 : 800, 100));
    old.store.put('gone', list);
    fresh.store.put('new', list);
    old.store.put('broken', list);
    fresh.store.put('broken', list);
    await old.commit();
    await fresh.commit();
    const broken = (await old.keys()).find((key) => isPageKey(key) && key.toString().endsWith('broken')) as Buffer;
    await old.write([{ key: prefixed(prefixOf(7, 0), broken), value: null }]);
    const options = { spec: lists, old: old.bytes, fresh: fresh.bytes, streamTime: 0, onRows: () => undefined };
    assert.deepEqual(await compareStores(options), { equal: 1, added: 1, changed: 2, removed: 1, unreadable: 1 });

    for await (const some of storeDifferences(old.bytes, fresh.bytes, 0)) await old.restore(some);
    const made = { equal: 4, added: 0, changed: 0, removed: 0, unreadable: 0 };
    assert.deepEqual(await compareStores(options), made);
    assert.deepEqual(await old.keys(), await fresh.keys());
    await old.close();
    await fresh.close();
  });
});

describe('a key that begins as those of pages do', () => {
  it('is refused where rows may have pages, and nowhere else: SERIALIZE_FAILED', async () => {
    const [, memory] = databases[0]!;
    const key = Buffer.concat([PAGE_MARK, Buffer.from('k')]);
    const plain: StoreSpec<Buffer, List> = { name: 'plain', kind: 'keyValue', key: serdes.bytes, value: listSerde };
    const lab = new StoreLab({ ...plain, items: listItems }, memory());
    const store = await lab.open();
    assert.throws(() => store.put(key, listOf(0, 1, 1)), isError('SERIALIZE_FAILED', /mark the pages of long rows/));
    await lab.close();
    const other = new StoreLab(plain, memory());
    (await other.open()).put(key, listOf(0, 1, 1));
    await other.commit();
    assert.deepEqual(await rows(other.store.entries()), [[key, listOf(0, 1, 1)]]);
    await other.close();
  });
});
