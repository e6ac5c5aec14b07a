import type { Database, DatabaseEntry } from '../model/database.js';
import type { Entry } from './entry.js';
import { after, PREFIX_BYTES, prefixed } from './layout.js';

// biome-ignore lint/suspicious/noExplicitAny: the scan merges by bytes; the store that asks knows the types
type AnyEntry = Entry<any, any>;

/** A row of the database that the cache does not hold. */
interface DiskRow {
  readonly key: Buffer;
  /** With its timestamp, as the database has it. */
  readonly value: Buffer;
}

/** Rows of a store in key order: those of the cache over those on disk. A cached row hides the one on disk, also when it is deleted. */
export async function* mergedScan(options: {
  readonly database: Database;
  readonly prefix: Buffer;
  readonly from: Buffer | undefined;
  /** Included. */
  readonly to: Buffer | undefined;
  readonly reverse: boolean;
  readonly overlay: readonly (readonly [key: Buffer, entry: AnyEntry])[];
}): AsyncGenerator<DiskRow | { readonly entry: AnyEntry }> {
  const { database, prefix, from, to, reverse } = options;
  const direction = reverse ? -1 : 1;
  const inside = (key: Buffer): boolean =>
    (from === undefined || key.compare(from) >= 0) && (to === undefined || key.compare(to) <= 0);
  const overlay = options.overlay.filter(([key]) => inside(key)).sort(([a], [b]) => direction * a.compare(b));
  let at = 0;

  const gte = from === undefined ? prefix : prefixed(prefix, from);
  const lt = to === undefined ? after(prefix) : Buffer.concat([prefixed(prefix, to), Buffer.alloc(1)]);
  for await (const chunk of database.scan({ gte, lt, reverse })) {
    for (const [prefixedKey, value] of chunk as readonly DatabaseEntry[]) {
      const key = prefixedKey.subarray(PREFIX_BYTES);
      let hidden = false;
      for (let next = overlay[at]; next !== undefined; next = overlay[++at]) {
        const order = direction * next[0].compare(key);
        if (order > 0) break;
        yield { entry: next[1] };
        if (order === 0) {
          hidden = true;
          at++;
          break;
        }
      }
      if (!hidden) yield { key, value };
    }
  }
  for (; at < overlay.length; at++) yield { entry: (overlay[at] as (typeof overlay)[number])[1] };
}
