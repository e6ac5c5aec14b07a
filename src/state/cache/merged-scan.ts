import type { Database, DatabaseEntry } from '../../model/database.js';
import { after, PREFIX_BYTES, prefixed } from '../layout.js';

/** A row of the database that the cache does not hold. */
interface DiskRow {
  readonly key: Buffer;
  /** With its timestamp, as in the database. */
  readonly value: Buffer;
}

/**
 * A row of the cache as of the start of the scan: the cache may since have reused its entry for another key.
 */
export interface OverlayRow<K, V> {
  readonly keyBytes: Buffer;
  readonly key: K;
  /** Null: deleted. */
  readonly value: V | null;
  readonly timestamp: number;
}

/**
 * Rows of a store in key order: cached rows over those on disk. A cached row hides the one on disk, also if
 * it is deleted.
 */
export async function* mergedScan<K, V>(options: {
  readonly database: Database;
  readonly prefix: Buffer;
  readonly from: Buffer | undefined;
  /** Included. */
  readonly to: Buffer | undefined;
  readonly reverse: boolean;
  readonly overlay: readonly OverlayRow<K, V>[];
}): AsyncGenerator<DiskRow | { readonly cached: OverlayRow<K, V> }> {
  const { database, prefix, from, to, reverse } = options;
  const direction = reverse ? -1 : 1;
  const inside = (key: Buffer): boolean =>
    (from === undefined || key.compare(from) >= 0) && (to === undefined || key.compare(to) <= 0);
  const overlay = options.overlay
    .filter(({ keyBytes }) => inside(keyBytes))
    .sort((a, b) => direction * a.keyBytes.compare(b.keyBytes));
  let at = 0;

  const gte = from === undefined ? prefix : prefixed(prefix, from);
  const lt = to === undefined ? after(prefix) : Buffer.concat([prefixed(prefix, to), Buffer.alloc(1)]);
  for await (const chunk of database.scan({ gte, lt, reverse })) {
    for (const [prefixedKey, value] of chunk as readonly DatabaseEntry[]) {
      const key = prefixedKey.subarray(PREFIX_BYTES);
      let hidden = false;
      for (let next = overlay[at]; next !== undefined; next = overlay[++at]) {
        const order = direction * next.keyBytes.compare(key);
        if (order > 0) break;
        yield { cached: next };
        if (order === 0) {
          hidden = true;
          at++;
          break;
        }
      }
      if (!hidden) yield { key, value };
    }
  }
  for (const cached of overlay.slice(at)) yield { cached };
}
