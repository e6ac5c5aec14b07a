import type { NextClosing } from '../processor.js';
import type { TimeWindows, Windows } from './windows.js';

/**
 * Where something becomes final in every millisecond, stream time may run ahead by this part of a length at
 * least.
 */
const PART_OF_LENGTH = 100;

/**
 * Of windows. Those of time close at their ends and grace: between two of these moments the order of records
 * changes nothing. Sliding windows and sessions may close in any millisecond: see {@link withGrace}.
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
 * Of what may become final in any millisecond. Half of the grace is for records that lie out of order in
 * their partition, the other half for partitions that are read at different speeds. Who gives no grace gets a
 * hundredth of the length: exact would be to read in lockstep, with a commit for each record.
 */
export function withGrace(graceMs: number, lengthMs: number): NextClosing {
  const aheadMs = Math.max(Math.floor(graceMs / 2), Math.ceil(lengthMs / PART_OF_LENGTH));
  return (time) => time + aheadMs + 1;
}

/** The first end of a window behind a moment. */
function endAfter(windows: TimeWindows, moment: number): number {
  // The windows that hold it are in the order of their starts. Before the first one there is none.
  const [first = windows.of(0, null)[0]] = windows.of(moment, null);
  return first?.end ?? Number.POSITIVE_INFINITY;
}
