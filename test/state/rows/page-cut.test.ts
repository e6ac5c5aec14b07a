import assert from 'node:assert/strict';
import fc from 'fast-check';
import { cutPages, PAGE_BYTES, type Page } from '#src/state/rows/page-cut.js';

interface Item {
  readonly bytes: number;
}

const sizeOf = (item: object): number => (item as Item).bytes;
const items = (...sizes: number[]): Item[] => sizes.map((bytes) => ({ bytes }));
const cut = (before: readonly Page[], list: readonly Item[]) => cutPages(before, list, sizeOf);
const many = (count: number, bytes: number): Item[] => items(...new Array<number>(count).fill(bytes));

/** Two that follow each other are never both half empty. */
const mostPages = (list: readonly Item[]): number => {
  const bytes = list.reduce((sum, item) => sum + item.bytes, 0);
  return Math.ceil((4 * bytes) / PAGE_BYTES) + 1;
};

describe('the pages of a list', () => {
  it('are full, one behind the other, when the list was made at once', () => {
    const pages = cut([], many(100, 1_024));
    assert.deepEqual(
      pages.map((page) => page.items.length),
      [32, 32, 32, 4],
    );
  });

  it('hold an item alone that is larger than a page', () => {
    const pages = cut([], items(10, 2 * PAGE_BYTES, 10));
    assert.deepEqual(
      pages.map(({ bytes }) => bytes),
      [10, 2 * PAGE_BYTES, 10],
    );
  });

  it('stay but for the last one when something is added at the end', () => {
    const list = many(100, 1_024);
    const before = cut([], list);
    const after = cut(before, [...list, ...items(1_024)]);
    assert.deepEqual(after.slice(0, 3), before.slice(0, 3));
    for (let i = 0; i < 3; i++) assert.equal(after[i], before[i]);
    assert.equal(after.length, 4);
  });

  it('stay but for the first one when something is taken from the front', () => {
    const list = many(100, 1_024);
    const before = cut([], list);
    const after = cut(before, list.slice(3));
    assert.deepEqual(
      after.map((page) => page.items.length),
      [29, 32, 32, 4],
    );
    for (let i = 1; i < 4; i++) assert.equal(after[i], before[i]);
  });

  it('that are full and get one more are halved, where more may be put between others', () => {
    const list = many(96, 1_024);
    const after = cut(cut([], list), list.toSpliced(40, 0, ...items(1_024)));
    assert.deepEqual(
      after.map((page) => page.items.length),
      [32, 17, 16, 32],
    );
  });

  it('hold all items in their order, none more than a page, and stay where nothing has changed', () => {
    const edit = fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      removed: fc.nat({ max: 40 }),
      added: fc.array(fc.oneof({ weight: 9, arbitrary: fc.nat({ max: 3_000 }) }, fc.nat({ max: 3 * PAGE_BYTES })), {
        maxLength: 60,
      }),
    });
    fc.assert(
      fc.property(fc.array(fc.array(edit, { maxLength: 4 }), { maxLength: 12 }), (rounds) => {
        let list: readonly Item[] = [];
        let pages: readonly Page[] = [];
        for (const edits of rounds) {
          for (const { at, removed, added } of edits)
            list = list.toSpliced(Math.floor(at * list.length), removed, ...items(...added));
          const before = pages;
          pages = cut(before, list);
          const found = pages.flatMap((page) => page.items);
          assert.equal(found.length, list.length);
          assert.ok(found.every((item, i) => item === list[i]));
          for (const page of pages) {
            assert.ok(page.items.length > 0);
            assert.equal(
              page.bytes,
              (page.items as Item[]).reduce((sum, item) => sum + item.bytes, 0),
            );
            assert.ok(page.items.length === 1 || page.bytes <= PAGE_BYTES);
          }
          if (edits.length === 0) assert.ok(pages.every((page, i) => page === before[i]));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('do not become many by small changes, wherever they are and whatever they remove', () => {
    const place = fc.oneof(fc.constant(0), fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true }));
    const change = fc.record({ at: place, removed: fc.nat({ max: 8 }), bytes: fc.integer({ min: 1, max: 3_000 }) });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
        let list: readonly Item[] = many(200, 500);
        let pages = cut([], list);
        for (const { at, removed, bytes } of changes) {
          list = list.toSpliced(Math.floor(at * list.length), removed, ...items(bytes));
          pages = cut(pages, list);
          assert.ok(pages.length <= mostPages(list), `${pages.length} pages`);
        }
      }),
    );
  });
});
