/**
 * What a page holds at most, unless it is a single item. A commit writes the pages in which something
 * changed, so that large ones cost more, and small ones lengthen the list of them: 6 bytes a page. With
 * 32 KiB this list takes 1 MB for rows of 5 GB.
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
 * by its identity.
 *
 * What is new belongs to the page of the item before it. Pages that are made anew are joined with the one
 * before while there is room, which keeps their number within twice of what is needed.
 */
export function cutPages<P extends Page>(
  before: readonly P[],
  items: readonly object[],
  sizeOf: (item: object) => number,
): readonly (P | Page)[] {
  const there = before.filter((page) => page.items.length > 0);
  let front = 0;
  let from = 0;
  for (let page = there[front]; page && isAt(items, from, page.items); page = there[++front]) from += page.items.length;
  let back = there.length;
  let to = items.length;
  for (let page = there[back - 1]; page && back > front; page = there[--back - 1]) {
    const start = to - page.items.length;
    if (start < from || !isAt(items, start, page.items)) break;
    to = start;
  }

  const cut: (P | Page)[] = there.slice(0, front);
  const middle = there.slice(front, back);
  for (const [i, group] of grouped(middle, items.slice(from, to)).entries()) {
    const page = middle[i];
    if (page && group.length === page.items.length && isAt(group, 0, page.items)) cut.push(page);
    else if (group.length > 0) addAnew(cut, group, { sizeOf, isLast: to === items.length });
  }
  return [...cut, ...there.slice(back)];
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

/** Adds items as new pages, together with those of the last page if all of them fit into one. */
function addAnew(
  cut: Page[],
  group: readonly object[],
  { sizeOf, isLast }: { readonly sizeOf: (item: object) => number; readonly isLast: boolean },
): void {
  const sizes = group.map(sizeOf);
  let total = sizes.reduce((sum, size) => sum + size, 0);
  let items = group;
  const last = cut.at(-1);
  if (last && last.bytes + total <= PAGE_BYTES) {
    cut.pop();
    items = [...last.items, ...group];
    sizes.unshift(...last.items.map(sizeOf));
    total += last.bytes;
  }
  // At the end of the list more will follow: full pages stay as they are then. Elsewhere each gets room.
  const aim = isLast ? PAGE_BYTES : total / Math.ceil(total / PAGE_BYTES);
  let start = 0;
  let bytes = 0;
  for (let i = 0; i < items.length; i++) {
    const size = sizes[i] as number;
    if (i > start && (bytes >= aim || bytes + size > PAGE_BYTES)) {
      cut.push({ items: items.slice(start, i), bytes });
      start = i;
      bytes = 0;
    }
    bytes += size;
  }
  cut.push({ items: items.slice(start), bytes });
}
