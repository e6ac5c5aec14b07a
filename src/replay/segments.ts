import type { Snapshot } from './snapshots.js';

/** A part of the history that is run again: from a snapshot (or the beginning) up to another (or the end). */
export interface Segment {
  readonly beginWith: Snapshot | undefined;
  /** Up to where that one is; undefined: to the end of the slice. */
  readonly endWith: Snapshot | undefined;
}

/**
 * The parts of a history that have to be looked at, in order. `usable` cut it, oldest first; a part between
 * two snapshots that follow each other is left out if `mayMatter` says so; parts that touch are one. If the
 * beginning is gone, it begins with the first snapshot.
 */
export async function segmentsOf(
  usable: readonly Snapshot[],
  fromBeginning: boolean,
  mayMatter: (snapshot: Snapshot) => Promise<boolean>,
): Promise<readonly Segment[]> {
  const segments: Segment[] = [];
  let from: Snapshot | undefined;
  for (const snapshot of usable) {
    const gone = from === undefined && !fromBeginning;
    // Only the keys that changed since the snapshot before are known: that one must be where this part
    // begins.
    const known = snapshot.since === (from?.records ?? 0);
    if (!gone && (!known || (await mayMatter(snapshot)))) add(segments, from, snapshot);
    from = snapshot;
  }
  // Of what comes after the last snapshot nothing is known.
  add(segments, from, undefined);
  return segments;
}

function add(segments: Segment[], beginWith: Snapshot | undefined, endWith: Snapshot | undefined): void {
  const last = segments.at(-1);
  if (last !== undefined && last.endWith === beginWith) segments[segments.length - 1] = { ...last, endWith };
  else segments.push({ beginWith, endWith });
}
