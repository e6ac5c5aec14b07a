import { type Duration, durationMs, formatMs, positiveMs } from '../../model/duration.js';
import { StreamsError } from '../../model/errors.js';
import { WindowKey } from '../../model/window.js';

interface Closing {
  /** For people: `tumbling 1 min`. */
  readonly label: string;
  /**
   * A window is closed when stream time has come that far behind its end: the grace, one more where the end
   * belongs to the window, and the gap of a session. Infinity: never.
   */
  readonly closesAfterMs: number;
  /** How long a window stays in the store, in stream time, counted from its start. */
  readonly retentionMs: number;
}

/** Of a record from before the epoch. */
export const NO_WINDOW: readonly WindowKey<never>[] = [];

/** Windows that follow from a timestamp alone. */
export interface TimeWindows extends Closing {
  readonly kind: 'time';
  /** The windows of a key that hold a moment, in the order of their starts; none before the epoch. */
  of<K>(timestamp: number, key: K): readonly WindowKey<K>[];
}

/** A window for each distinct set of records that lie within a length of time. Both ends included. */
export interface SlidingWindows extends Closing {
  readonly kind: 'sliding';
  readonly differenceMs: number;
}

/** Windows of activity: records of a key with no gap between them longer than that. Both ends included. */
export interface SessionWindows extends Closing {
  readonly kind: 'session';
  readonly gapMs: number;
}

/** Windows of so many records of a key. */
export interface CountWindows extends Closing {
  readonly kind: 'count';
  readonly records: number;
}

export type Windows = TimeWindows | SlidingWindows | SessionWindows | CountWindows;

/**
 * How long after its end, in stream time, suppress gives a window out, as that of Kafka Streams does;
 * infinity: no moment of stream time closes it. Sliding windows and sessions include their end: in the
 * millisecond in which they are given out they still take records in.
 */
export function suppressedForMs({ kind, closesAfterMs }: Windows): number {
  if (kind === 'count') return Number.POSITIVE_INFINITY;
  return kind === 'time' ? closesAfterMs : closesAfterMs - 1;
}

export interface WindowOptions {
  /** How long after its end, in stream time, a window still takes late records in. Default: not at all. */
  readonly grace?: Duration;
  /**
   * How long a window can be looked up in the store, in stream time, counted from its start (a session: from
   * its end). At least as long as it is open, which is the default.
   */
  readonly retention?: Duration;
}

/**
 * Windows of one length, side by side: a record belongs to one. They begin at multiples of their size since
 * the epoch; the start is included, the end is not.
 *
 * ```ts
 * clicks.pipe(count({ store: 'clicks-per-minute', window: tumbling('1m', { grace: '10s' }) }));
 * ```
 *
 * A window is closed when stream time reaches its end + grace. CONFIG_INVALID for a size of zero, and a
 * retention shorter than size + grace. Semantics: TimeWindows of Kafka Streams.
 */
export function tumbling(size: Duration, options: WindowOptions = {}): TimeWindows {
  const sizeMs = positiveMs(size, 'the size of a tumbling window');
  return {
    kind: 'time',
    ...closing(`tumbling ${formatMs(sizeMs)}`, { openMs: sizeMs, behindMs: 0 }, options),
    of<K>(timestamp: number, key: K): readonly WindowKey<K>[] {
      if (timestamp < 0) return NO_WINDOW;
      const start = timestamp - (timestamp % sizeMs);
      return [new WindowKey(key, start, start + sizeMs)];
    },
  };
}

export interface HoppingOptions extends WindowOptions {
  /** How far one window begins behind the one before; at most the size. */
  readonly every: Duration;
}

/**
 * Windows of one length that overlap: one begins `every` so often, and a record belongs to all that hold its
 * timestamp, size / every of them. They begin at multiples of `every` since the epoch; the start is included,
 * the end is not.
 *
 * ```ts
 * clicks.pipe(count({ store: 'clicks', window: hopping('5m', { every: '1m', grace: '10s' }) }));
 * ```
 *
 * Each window costs a row and an update of its own. CONFIG_INVALID for a size or `every` of zero, and for an
 * `every` longer than the size. Semantics: TimeWindows.advanceBy of Kafka Streams.
 */
export function hopping(size: Duration, { every, ...options }: HoppingOptions): TimeWindows {
  const sizeMs = positiveMs(size, 'the size of a hopping window');
  const everyMs = positiveMs(every, 'every of a hopping window');
  if (everyMs > sizeMs) {
    throw invalid(
      'a hopping window leaves gaps',
      `every ${every}`,
      `at most the size, ${size}`,
      'Make every shorter, or the size longer.',
    );
  }
  const first = sizeMs - everyMs;
  return {
    kind: 'time',
    ...closing(`hopping ${formatMs(sizeMs)}`, { openMs: sizeMs, behindMs: 0 }, options),
    of<K>(timestamp: number, key: K): readonly WindowKey<K>[] {
      const windows: WindowKey<K>[] = [];
      // The first window that holds the moment, but none that would begin before the epoch.
      const earliest = Math.max(0, timestamp - first);
      for (let start = earliest - (earliest % everyMs); start <= timestamp; start += everyMs)
        windows.push(new WindowKey(key, start, start + sizeMs));
      return windows;
    },
  };
}

/**
 * One window that begins at a moment and never ends. Records before it belong to none.
 *
 * ```ts
 * clicks.pipe(count({ store: 'clicks', window: unlimited({ from: Date.UTC(2026, 0, 1) }) }));
 * ```
 *
 * Its rows are never removed. Semantics: UnlimitedWindows of Kafka Streams.
 */
export function unlimited({ from = 0 }: { readonly from?: number } = {}): TimeWindows {
  if (!Number.isSafeInteger(from) || from < 0)
    throw invalid(
      'an unlimited window has no usable start',
      `${from}`,
      'whole milliseconds since the epoch',
      'Give the start as Date.UTC() gives it.',
    );
  return {
    kind: 'time',
    label: 'unlimited',
    closesAfterMs: Number.POSITIVE_INFINITY,
    retentionMs: Number.POSITIVE_INFINITY,
    of: <K>(timestamp: number, key: K) =>
      timestamp >= from ? [new WindowKey(key, from, Number.POSITIVE_INFINITY)] : NO_WINDOW,
  };
}

/**
 * A window for each distinct set of records of a key that lie no further apart than `difference`. Both ends
 * are included.
 *
 * ```ts
 * payments.pipe(count({ store: 'payments-in-ten-minutes', window: sliding('10m', { grace: '1m' }) }));
 * ```
 *
 * There is a window that ends with each record, and one that begins right behind it if others follow: windows
 * that differ hold different records. None begins before 0, so the records before `difference` share one. A
 * window is closed when stream time has passed its end + grace. A record is late when the window that begins
 * with it is closed; then it changes nothing, and else it is taken into those that are open. Records without
 * a key or value are dropped (`null-key`, `null-value`) and do not move stream time.
 *
 * Order: a record emits all windows that it changes, the one that starts last first, then those that it
 * begins; a window may be emitted twice in that. Aggregates of a new window may begin as a copy of another's,
 * so `add` must not change what it is given.
 *
 * State: windows of a key that start within twice the difference lie in one row. Cost: one or two look-ups
 * and writes a record, whatever the timestamps, and one call of `add` for each window that holds it: twice as
 * many as there are records within the difference before and behind it. A row that changes is written at a
 * commit, of one above 32 KiB the pages that changed. Rows live for the retention (default: twice the
 * difference, and grace), counted from the start of windows; a longer one costs disk, and nothing else.
 * CONFIG_INVALID for a difference of zero, and a retention shorter than the default.
 *
 * Semantics: SlidingWindows of Kafka Streams (KIP-450), with one exception: a new window that begins as a
 * copy had no value before, whatever the other one held.
 */
export function sliding(difference: Duration, options: WindowOptions = {}): SlidingWindows {
  const differenceMs = positiveMs(difference, 'the difference of a sliding window');
  const lengths = { openMs: 2 * differenceMs, behindMs: 1 };
  return { kind: 'sliding', differenceMs, ...closing(`sliding ${formatMs(differenceMs)}`, lengths, options) };
}

/**
 * Windows of activity: a record joins the session of its key that is no further away than `gap`, and sessions
 * that it brings together become one. Both ends are included, and are those of the first and the last record.
 *
 * ```ts
 * clicks.pipe(count({ store: 'visits', window: session('30m', { grace: '1m' }) }));
 * ```
 *
 * A session that grows is deleted under its old bounds, with its end as the timestamp, and emitted under its
 * new ones, even if they are the same; only a session of one moment that stays one is not deleted first. It
 * is closed when stream time has passed its end + gap + grace, and final then: a record next to it that is
 * not late begins another. A record is late when the session that it would begin alone were closed and there
 * is no open one that it joins. Records without a key are dropped (`null-key`); those without a value count.
 *
 * State: one row a key with all its sessions within the retention, which counts from their ends (default: gap
 * and grace, so that mostly one is there). Cost: one look-up and one write a record. A row that changes is
 * read whole, and lies in memory whole until it is evicted; it is written at a commit, of one above 32 KiB
 * the pages that changed. CONFIG_INVALID for a gap of zero, and a retention shorter than gap and grace.
 *
 * Semantics: SessionWindows of Kafka Streams (KIP-94), with one exception: with the default retention a
 * session is kept as long as it is open, not one millisecond less.
 */
export function session(gap: Duration, options: WindowOptions = {}): SessionWindows {
  const gapMs = positiveMs(gap, 'the gap of a session');
  const lengths = { openMs: gapMs, behindMs: gapMs + 1 };
  return { kind: 'session', gapMs, ...closing(`session ${formatMs(gapMs)}`, lengths, options) };
}

interface Lengths {
  /** How long a window takes records in without grace. */
  readonly openMs: number;
  /** How far stream time must be behind the end for a window without grace to be closed. */
  readonly behindMs: number;
}

export function closing(
  label: string,
  { openMs, behindMs }: Lengths,
  { grace = '0ms', retention }: WindowOptions,
): Closing {
  const graceMs = durationMs(grace, `grace of ${label} windows`);
  const retentionMs =
    retention === undefined ? openMs + graceMs : durationMs(retention, `retention of ${label} windows`);
  if (retentionMs < openMs + graceMs) {
    throw invalid(
      `${label} windows would be forgotten while they are open`,
      `retention ${retention}`,
      `at least size and grace together, ${openMs + graceMs}ms`,
      'Make the retention longer, or the grace shorter.',
    );
  }
  return { label, closesAfterMs: graceMs + behindMs, retentionMs };
}

export const invalid = (what: string, saw: string, expected: string, action: string): StreamsError =>
  new StreamsError('CONFIG_INVALID', { what, saw, expected, action });
