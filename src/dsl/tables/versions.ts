import { type Duration, durationMs } from '../../model/duration.js';
import { StreamsError } from '../../model/errors.js';
import type { Version, VersionChunk, VersionList } from '../../model/versions.js';
import { chunkKey } from '../../serdes/chunk-key.js';
import { versionBytes, versionList } from '../../serdes/versions.js';
import type { RowItems, StoreSpec } from '../../state/contract.js';
import type { AnySerde } from '../processor.js';

/**
 * The store of a table that keeps the past of its rows, and the one that the past is in: `<name>-versions`.
 * The serdes are bound already, to the first one. CONFIG_INVALID for a history of zero.
 */
export function versionedStores(
  name: string,
  { key, value }: { readonly key: AnySerde; readonly value: AnySerde },
  history: Duration,
): StoreSpec[] {
  const ms = durationMs(history, `history of store ${name}`);
  if (ms === 0) {
    throw new StreamsError('CONFIG_INVALID', {
      what: 'a versioned store keeps no past',
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
      // What is missing is reported once, for the store itself.
      key: key && chunkKey(key),
      value: value && versionList(value),
      items: value && versionItems(value),
      ttlMs: ms,
    },
  ];
}

/** Large values make long lists, and many chunks a long list of them: then it is kept in pages. */
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
