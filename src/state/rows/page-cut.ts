/**
 * Maximum size of a page, unless it holds a single item. A commit writes each page with a change, so larger
 * pages cost more; smaller ones lengthen the list of pages, which takes 6 bytes per page. With 32 KiB this
 * list takes 1 MB for rows of some gigabytes.
 */
export const PAGE_BYTES = 32 * 1024;

/** Some consecutive items of a row. A page never changes: it is replaced. */
export interface Page {
  readonly items: readonly object[];
  /** Size of the items. */
  readonly bytes: number;
}

/**
 * Cuts a list into pages; `before` are its earlier pages. A page stays if its items are still there with
 * nothing between them, so only the changed parts of the list get new pages. Items are compared by identity.
 * A new item belongs to the page of the item before it.
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
 * The changed part of the list: pages from `front` to `back`, and items from `from` to `to`, without the
 * unchanged pages on both sides.
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
  // Items inserted between two pages go into one of them; otherwise each of many small changes would add a
  // page.
  const [left, right] = [pages[front - 1], pages[back]];
  if (left) return { front: front - 1, back, from: from - left.items.length, to };
  return right ? { front, back: back + 1, from, to: to + right.items.length } : { front, back, from, to };
}

function isAt(items: readonly object[], from: number, wanted: readonly object[]): boolean {
  if (from + wanted.length > items.length) return false;
  for (let i = 0; i < wanted.length; i++) if (items[from + i] !== wanted[i]) return false;
  return true;
}

/** Items grouped by their page. Without pages they are one group. */
function grouped(pages: readonly Page[], items: readonly object[]): readonly (readonly object[])[] {
  if (pages.length === 0) return [items];
  const home = new Map<object, number>();
  for (const [i, page] of pages.entries()) for (const item of page.items) home.set(item, i);
  const groups: object[][] = pages.map(() => []);
  let current = 0;
  for (const item of items) {
    // Never back: the order of the items counts, not the page that an item was in.
    current = Math.max(current, home.get(item) ?? current);
    (groups[current] as object[]).push(item);
  }
  return groups;
}

/** Collects the pages in order: unchanged ones and new ones. */
class Cut<P extends Page> {
  readonly pages: (P | Page)[];
  readonly #sizeOf: (item: object) => number;
  /** The last page, if it is a new one. */
  #made: Page | undefined;

  constructor(pages: readonly P[], sizeOf: (item: object) => number) {
    this.pages = [...pages];
    this.#sizeOf = sizeOf;
  }

  /**
   * Keeps an unchanged page; but merges it with the new page before it if both together fill at most half a
   * page.
   */
  keep(page: P): void {
    if (this.#made && this.#made.bytes + page.bytes <= PAGE_BYTES / 2) return this.make(page.items, false);
    this.pages.push(page);
    this.#made = undefined;
  }

  /**
   * Adds new pages for a group of items, together with the items of the last page if all fit into one.
   * `isLast`: nothing follows.
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
    // More items will follow at the end of the list, so pages there are filled up, and stay unchanged later.
    // Elsewhere each page gets room.
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
