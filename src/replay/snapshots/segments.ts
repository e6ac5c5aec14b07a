import type { Snapshot } from './snapshots.js';

/** A part of the history that is replayed: from a snapshot (or the beginning) to another (or the end). */
export interface Segment {
  readonly beginWith: Snapshot | undefined;
  /** Ends at the position of this snapshot; undefined: at the end of the slice. */
  readonly endWith: Snapshot | undefined;
}

/**
 * The parts of a history that must be replayed, in order. The `usable` snapshots, oldest first, are the cuts.
 * A part between two consecutive snapshots is skipped if `mayMatter` returns false; adjacent parts are
 * joined. If the beginning is gone, the first part begins with the first snapshot.
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
    // A snapshot lists only the keys that changed since the previous one: that one must be the beginning of
    // this part.
    const known = snapshot.since === (from?.records ?? 0);
    if (!gone && (!known || (await mayMatter(snapshot)))) add(segments, from, snapshot);
    from = snapshot;
  }
  // No list covers the records after the last snapshot.
  add(segments, from, undefined);
  return segments;
}

function add(segments: Segment[], beginWith: Snapshot | undefined, endWith: Snapshot | undefined): void {
  const last = segments.at(-1);
  if (last !== undefined && last.endWith === beginWith) segments[segments.length - 1] = { ...last, endWith };
  else segments.push({ beginWith, endWith });
}
