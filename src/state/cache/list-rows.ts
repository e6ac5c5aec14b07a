import type { Database } from '../../model/database.js';
import type { RangeOptions } from '../contract.js';
import type { RowCodec } from '../rows/row-codec.js';
import type { RowLife } from '../rows/row-life.js';
import type { RowPages } from '../rows/row-pages.js';
import type { DiskRows } from './disk-rows.js';
import { mergedScan, type OverlayRow } from './merged-scan.js';

/** The layers of a store that a listing reads through. */
export interface ListedStore<K, V> {
  readonly database: Database;
  readonly codec: RowCodec<K, V>;
  readonly disk: DiskRows<K, V>;
  readonly life: RowLife<K>;
  readonly pages: RowPages<K, V> | undefined;
  /** Rows that are not on disk yet, as of the start of the listing. */
  readonly overlay: () => OverlayRow<K, V>[];
  /** The value of such a row, null if there is none. */
  readonly current: (row: OverlayRow<K, V>) => V | null;
  readonly streamTime: () => number;
}

/** Implements `entries` of the stores: see contract.ts. */
export async function* listRows<K, V>(
  range: RangeOptions<K>,
  { database, codec, disk, life, pages, overlay, current, streamTime }: ListedStore<K, V>,
): AsyncGenerator<readonly [K, V]> {
  const rows = mergedScan({
    database,
    prefix: codec.prefix,
    from: range.from === undefined ? undefined : codec.keyBytes(range.from),
    to: range.to === undefined ? undefined : codec.keyBytes(range.to),
    reverse: range.reverse ?? false,
    overlay: overlay(),
  });
  for await (const row of rows) {
    if ('cached' in row) {
      const value = current(row.cached);
      if (value !== null) yield [row.cached.key, value];
      continue;
    }
    if (pages?.isPage(row.key)) continue;
    const key = await codec.readKey(row.key);
    if (life.isOver(key, row.value.readDoubleBE(0), streamTime())) continue;
    const value = await disk.scanned(key, row.value, streamTime());
    if (value !== null) yield [key, value];
  }
}
