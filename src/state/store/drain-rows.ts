import type { DatabaseWrite } from '../../model/database.js';
import { BornRows } from '../absent/born-rows.js';
import type { ExpiryIndex } from '../absent/expiry.js';
import type { WrittenKeys } from '../absent/written-keys.js';
import type { RecordCache } from '../cache/record-cache.js';
import type { UnwrittenRows } from '../cache/unwritten-rows.js';
import { PREFIX_BYTES } from '../layout.js';
import { ChangelogEntry } from '../rows/changelog-entry.js';
import type { RowCodec } from '../rows/row-codec.js';
import type { RowLife } from '../rows/row-life.js';
import type { RowPages } from '../rows/row-pages.js';

/** The parts of a store that a commit needs. */
export interface DrainedStore<K, V> {
  readonly unwritten: UnwrittenRows<K, V>;
  readonly cache: Pick<RecordCache<K, V>, 'weigh'>;
  readonly codec: RowCodec<K, V>;
  readonly life: RowLife<K>;
  readonly expiry: ExpiryIndex | undefined;
  readonly written: WrittenKeys | undefined;
  readonly pages: RowPages<K, V> | undefined;
}

/**
 * Encodes the rows of a store that changed since the last commit, in the order of first change, with their
 * pages.
 */
export function drainRows<K, V>(
  { unwritten, cache, codec, life, expiry, written, pages }: DrainedStore<K, V>,
  writes: DatabaseWrite[],
  changelog: ChangelogEntry[],
): void {
  const born = expiry && new BornRows(expiry);
  const out = { writes, changelog };
  for (const page of pages?.begin() ?? [])
    changelog.push(new ChangelogEntry(page, page.value?.readDoubleBE(0) ?? 0, '', -1));
  for (const entry of unwritten.take(writes)) {
    // Written and deleted between two commits: the row never left the cache.
    if (entry.value === null && !entry.stored) continue;
    const { timestamp, causeTopic, causeOffset, encoded } = entry;
    entry.encoded = undefined;
    const valueBytes = pages
      ? pages.encode(entry, out)
      : entry.value === null
        ? null
        : codec.databaseValue(entry.value, timestamp, encoded);
    const write = unwritten.writeOf(entry) ?? unwritten.write(entry, codec.databaseKey(entry.key));
    write.value = valueBytes;
    changelog.push(new ChangelogEntry(write, timestamp, causeTopic, causeOffset));
    entry.stored = valueBytes !== null;
    cache.weigh(entry, (valueBytes?.length ?? 0) + (pages?.bytesOf(entry) ?? 0));
    if ((born || written) && valueBytes !== null && !entry.indexed) {
      const keyBytes = write.key.subarray(PREFIX_BYTES);
      born?.add(keyBytes, life.bornAt(entry.key, timestamp));
      written?.note(keyBytes);
      entry.indexed = life.fixed;
    }
  }
  born?.write(writes);
}
