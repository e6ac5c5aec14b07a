import type { Version } from '../../model/versions.js';

/** Number of versions that begin at or before a moment; versions are sorted by their beginning. */
function upTo(versions: readonly Version<unknown>[], moment: number): number {
  let low = 0;
  let high = versions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((versions[middle] as Version<unknown>).from <= moment) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The version that holds at a moment; undefined if none had begun. */
export const floorOf = <V>(versions: readonly Version<V>[], moment: number): Version<V> | undefined =>
  versions[upTo(versions, moment) - 1];

/** Inserts a version in order; it replaces one that begins at the same moment. */
export function putVersion<V>(versions: Version<V>[], version: Version<V>): void {
  const at = upTo(versions, version.from);
  if (versions[at - 1]?.from === version.from) versions[at - 1] = version;
  else versions.splice(at, 0, version);
}
