import { type Duration, durationMs } from '../../model/duration.js';
import { StreamsError } from '../../model/errors.js';
import type { Version, VersionChunk, VersionList } from '../../model/versions.js';
import { chunkKey } from '../../serdes/chunk-key.js';
import { versionBytes, versionList } from '../../serdes/versions.js';
import type { RowItems, StoreSpec } from '../../state/contract.js';
import type { AnySerde } from '../contract/processor.js';

/**
 * The store of a versioned table, and the store of its past values: `<name>-versions`. The serdes must
 * already be bound to the first one. CONFIG_INVALID for a history of zero.
 */
export function versionedStores(
  name: string,
  { key, value }: { readonly key: AnySerde; readonly value: AnySerde },
  history: Duration,
): StoreSpec[] {
  const ms = durationMs(history, `history of store ${name}`);
  if (ms === 0) {
    throw new StreamsError('CONFIG_INVALID', {
      what: 'a versioned store has a history of zero',
      at: `store ${name}`,
      saw: `history ${history}`,
      expected: 'more than zero',
      action: 'Say how long past values can be looked up, or leave history out.',
    });
  }
  const past = `${name}-versions`;
  return [
    { name, kind: 'versioned', key, value, history: { ms, store: past } },
    {
      name: past,
      kind: 'versions',
      // A missing serde is reported once, for the first store.
      key: key && chunkKey(key),
      value: value && versionList(value),
      items: value && versionItems(value),
      ttlMs: ms,
    },
  ];
}

/** Splits a list into pages if large values or many chunks make it long. */
const versionItems = (value: AnySerde): RowItems<VersionList<unknown>> => ({
  of: ({ chunks, versions }) => [...chunks, ...versions],
  size: (item: VersionChunk | Version<unknown>) => ('id' in item ? 16 : 12 + (versionBytes(item, value)?.length ?? 0)),
  with(list, items) {
    const [chunks, versions]: [VersionChunk[], Version<unknown>[]] = [[], []];
    for (const item of items as readonly (VersionChunk | Version<unknown>)[]) {
      if ('id' in item) chunks.push(item);
      else versions.push(item);
    }
    return { ...list, chunks, versions };
  },
});
