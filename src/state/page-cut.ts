/**
 * What a page holds at most, unless it is a single item. A commit writes the pages in which something
 * changed, so that large ones cost more, and small ones lengthen the list of them: 6 bytes a page. With
 * 32 KiB this list takes 1 MB for rows of some gigabytes.
 */
export const PAGE_BYTES = 32 * 1024;

/** Some of the items of a row, in their order. A page is never changed: others take its place. */
export interface Page {
  readonly items: readonly object[];
  /** Of the items. */
  readonly bytes: number;
}

/**
 * The pages of a list, of which `before` are those that it had. A page stays if its items are still there
 * and nothing came between them, so that what is made anew is where the list has changed. An item is known
 * by its identity. What is new belongs to the page of the item before it.
 */
export function cutPages<P extends Page>(
  before: readonly P[],
  items: readonly object[],
  sizeOf: (item: object) => number,
): readonly (P | Page)[] {
  const there = before.filter((page) => page.items.length > 0);
  const part = changedPart(there, items);
  const cut = new Cut(there.slice(0, part.front), sizeOf);
  const middle = there.slice(part.front, part.back);
  for (const [i, group] of grouped(middle, items.slice(part.from, part.to)).entries()) {
    const page = middle[i];
    if (page && group.length === page.items.length && isAt(group, 0, page.items)) cut.keep(page);
    else if (group.length > 0) cut.make(group, part.to === items.length);
  }
  for (const page of there.slice(part.back)) cut.keep(page);
  return cut.pages;
}

/**
 * Pages from `front` to `back`, and items from `from` to `to`, without those on both sides that are as they
 * were.
 */
function changedPart(
  pages: readonly Page[],
  items: readonly object[],
): { readonly front: number; readonly back: number; readonly from: number; readonly to: number } {
  let [front, from] = [0, 0];
  for (let page = pages[front]; page && isAt(items, from, page.items); page = pages[front])
    [front, from] = [front + 1, from + page.items.length];
  let [back, to] = [pages.length, items.length];
  for (let page = pages[back - 1]; page && back > front; page = pages[back - 1]) {
    const start = to - page.items.length;
    if (start < from || !isAt(items, start, page.items)) break;
    [back, to] = [back - 1, start];
  }
  if (from === to || front < back) return { front, back, from, to };
  // What came between two pages goes into one of them, lest each of many small changes makes another page.
  const [left, right] = [pages[front - 1], pages[back]];
  if (left) return { front: front - 1, back, from: from - left.items.length, to };
  return right ? { front, back: back + 1, from, to: to + right.items.length } : { front, back, from, to };
}

function isAt(items: readonly object[], from: number, wanted: readonly object[]): boolean {
  if (from + wanted.length > items.length) return false;
  for (let i = 0; i < wanted.length; i++) if (items[from + i] !== wanted[i]) return false;
  return true;
}

/** Items by the page that they belong to. Without pages they are one group. */
function grouped(pages: readonly Page[], items: readonly object[]): readonly (readonly object[])[] {
  if (pages.length === 0) return [items];
  const home = new Map<object, number>();
  for (const [i, page] of pages.entries()) for (const item of page.items) home.set(item, i);
  const groups: object[][] = pages.map(() => []);
  let current = 0;
  for (const item of items) {
    // Never back: the order of the items counts, whatever page one was in.
    current = Math.max(current, home.get(item) ?? current);
    (groups[current] as object[]).push(item);
  }
  return groups;
}

/** Pages as they come, from the first to the last: those that stay, and those that are made anew. */
class Cut<P extends Page> {
  readonly pages: (P | Page)[];
  readonly #sizeOf: (item: object) => number;
  /** The last page, if it is one that is made anew. */
  #made: Page | undefined;

  constructor(pages: readonly P[], sizeOf: (item: object) => number) {
    this.pages = [...pages];
    this.#sizeOf = sizeOf;
  }

  /** A page that is as it was. Half empty ones do not stay beside each other. */
  keep(page: P): void {
    if (this.#made && this.#made.bytes + page.bytes <= PAGE_BYTES / 2) return this.make(page.items, false);
    this.pages.push(page);
    this.#made = undefined;
  }

  /**
   * Makes pages, of the items of the last one as well if all of them fit into one. `isLast`: nothing follows.
   */
  make(group: readonly object[], isLast: boolean): void {
    let items = group;
    let sizes = group.map(this.#sizeOf);
    let total = sizes.reduce((sum, size) => sum + size, 0);
    const last = this.pages.at(-1);
    if (last && last.bytes + total <= PAGE_BYTES) {
      this.pages.pop();
      items = [...last.items, ...group];
      sizes = [...last.items.map(this.#sizeOf), ...sizes];
      total += last.bytes;
    }
    // At the end of the list more will follow: full pages stay as they are then. Elsewhere each gets room.
    const aim = isLast ? PAGE_BYTES : total / Math.ceil(total / PAGE_BYTES);
    let start = 0;
    let bytes = 0;
    for (let i = 0; i < items.length; i++) {
      const size = sizes[i] as number;
      if (i > start && (bytes >= aim || bytes + size > PAGE_BYTES)) {
        this.pages.push({ items: items.slice(start, i), bytes });
        start = i;
        bytes = 0;
      }
      bytes += size;
    }
    this.#made = { items: items.slice(start), bytes };
    this.pages.push(this.#made);
  }
}
