import type { NextClosing } from '../contract/processor.js';
import type { TimeWindows, Windows } from '../windows/windows.js';

/**
 * If something may become final in every millisecond, stream time may run ahead by at least this fraction of
 * a length.
 */
const PART_OF_LENGTH = 100;

/**
 * The next closing of windows. Time windows close at their ends plus grace; between two such moments the
 * order of records does not matter. Sliding windows and sessions may close in any millisecond: see
 * {@link withGrace}.
 */
export function nextClosingOf(windows: Windows): NextClosing {
  const { kind, closesAfterMs } = windows;
  if (closesAfterMs === Number.POSITIVE_INFINITY) return () => Number.POSITIVE_INFINITY;
  switch (kind) {
    case 'time':
      return (time) => endAfter(windows, time - closesAfterMs) + closesAfterMs;
    case 'sliding':
      return withGrace(closesAfterMs - 1, windows.differenceMs);
    case 'session':
      return withGrace(closesAfterMs - 1 - windows.gapMs, windows.gapMs);
    case 'count':
      return () => Number.POSITIVE_INFINITY;
  }
}

/**
 * The next closing for results that may become final in any millisecond. Half of the grace is for records
 * that are out of order in their partition. The other half is for partitions that are read at different
 * speeds. Without a grace, the distance is a hundredth of the length. An exact result would need partitions
 * read in lockstep, with a commit per record.
 */
export function withGrace(graceMs: number, lengthMs: number): NextClosing {
  const aheadMs = Math.max(Math.floor(graceMs / 2), Math.ceil(lengthMs / PART_OF_LENGTH));
  return (time) => time + aheadMs + 1;
}

/** The first end of a window after a moment. */
function endAfter(windows: TimeWindows, moment: number): number {
  // The windows of a moment are in the order of their starts. Before the first window there is none.
  const [first = windows.of(0, null)[0]] = windows.of(moment, null);
  return first?.end ?? Number.POSITIVE_INFINITY;
}
