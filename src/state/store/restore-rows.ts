import type { DatabaseWrite } from '../../model/database.js';
import { BornRows } from '../absent/born-rows.js';
import type { ExpiryIndex } from '../absent/expiry.js';
import type { WrittenKeys } from '../absent/written-keys.js';
import { prefixed, stamped } from '../layout.js';
import type { RowCodec } from '../rows/row-codec.js';
import type { RowLife } from '../rows/row-life.js';
import type { RowPages } from '../rows/row-pages.js';

/** A row from the changelog; value null: the row is deleted. */
export interface LoggedRow {
  readonly key: Buffer;
  readonly value: Buffer | null;
  readonly timestamp: number;
}

/** Adds the database writes that restore a store's rows and its expiry index. */
export function restoreRows<K>(
  rows: readonly LoggedRow[],
  store: {
    readonly codec: RowCodec<K, unknown>;
    readonly life: RowLife<K>;
    readonly expiry: ExpiryIndex | undefined;
    readonly written: WrittenKeys | undefined;
    readonly pages: RowPages<K, unknown> | undefined;
  },
  writes: DatabaseWrite[],
): void {
  const { codec, life, expiry, written, pages } = store;
  const born = expiry && new BornRows(expiry);
  for (const { key, value, timestamp } of rows) {
    writes.push({ key: prefixed(codec.prefix, key), value: value === null ? null : stamped(timestamp, value) });
    // A page lives as long as the row that names it.
    if (pages?.restored(key)) continue;
    written?.note(key);
    if (value === null || !born) continue;
    born.add(key, life.fixed ? life.bornAt(codec.decodeKey(key), timestamp) : timestamp);
  }
  born?.write(writes);
}
