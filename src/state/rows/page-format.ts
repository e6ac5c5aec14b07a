/**
 * Rows in pages, format 255 (integers big endian). The row itself, under its key:
 *
 * | bytes | what |
 * |---|---|
 * | 1 | 255; rows without pages have the format number of their serde here, which is lower |
 * | 6 | number of the next page |
 * | 4 | number of pages, then for each, in the order of the items: |
 * | 6 | its number |
 * | rest | the row without items, as the store's serde writes it |
 *
 * A page is a row of the same store, under a key that no row has: 16 bytes that mark it, its number (6), the
 * key of the row. Its value is a row with its items, as the store's serde writes it. The changelog holds all
 * of them as the database does.
 */
import { TIMESTAMP_BYTES } from '../layout.js';

/**
 * The beginning of a page's key. No text begins with it, because 255 is not part of UTF-8. Any other key that
 * does is refused.
 */
export const PAGE_MARK: Buffer = Buffer.from('\xffmillrace.page\0\0', 'latin1');

const PAGED = 255;
const ID_BYTES = 6;
const COUNT_BYTES = 4;

export interface Head {
  readonly nextId: number;
  readonly ids: readonly number[];
}

export const isPageKey = (key: Buffer): boolean =>
  key[0] === PAGED &&
  key.length >= PAGE_MARK.length &&
  key.compare(PAGE_MARK, 0, PAGE_MARK.length, 0, PAGE_MARK.length) === 0;

export function pageKey(rowKey: Buffer, id: number): Buffer {
  const key = Buffer.allocUnsafe(PAGE_MARK.length + ID_BYTES + rowKey.length);
  PAGE_MARK.copy(key);
  key.writeUIntBE(id, PAGE_MARK.length, ID_BYTES);
  rowKey.copy(key, PAGE_MARK.length + ID_BYTES);
  return key;
}

/** Whether a row, in its database form, is split into pages. */
export const isPaged = (databaseValue: Buffer): boolean => databaseValue[TIMESTAMP_BYTES] === PAGED;

export const headOf = (databaseValue: Buffer): Head | undefined =>
  isPaged(databaseValue) ? parseHead(databaseValue) : undefined;

/** The row without items, in its database form, with a head before it. */
export function withHead(
  rest: Buffer,
  { nextId, pages }: { readonly nextId: number; readonly pages: readonly { readonly id: number }[] },
): Buffer {
  const headBytes = 1 + ID_BYTES + COUNT_BYTES + ID_BYTES * pages.length;
  const row = Buffer.allocUnsafe(rest.length + headBytes);
  let at = rest.copy(row, 0, 0, TIMESTAMP_BYTES);
  at = row.writeUInt8(PAGED, at);
  at = row.writeUIntBE(nextId, at, ID_BYTES);
  at = row.writeUInt32BE(pages.length, at);
  for (const { id } of pages) at = row.writeUIntBE(id, at, ID_BYTES);
  rest.copy(row, at, TIMESTAMP_BYTES);
  return row;
}

/** The head of a row, and the row without items, in its database form. */
export function parseHead(databaseValue: Buffer): Head & { readonly rest: Buffer } {
  let at = TIMESTAMP_BYTES + 1;
  const nextId = databaseValue.readUIntBE(at, ID_BYTES);
  at += ID_BYTES;
  const ids = new Array<number>(databaseValue.readUInt32BE(at));
  at += COUNT_BYTES;
  for (let i = 0; i < ids.length; i++, at += ID_BYTES) ids[i] = databaseValue.readUIntBE(at, ID_BYTES);
  const rest = Buffer.concat([databaseValue.subarray(0, TIMESTAMP_BYTES), databaseValue.subarray(at)]);
  return { nextId, ids, rest };
}
