import { type Duration, durationMs, formatMs, positiveMs } from '../../model/duration.js';
import { StreamsError } from '../../model/errors.js';
import { WindowKey } from '../../model/window.js';

interface Closing {
  /** A label for messages: `tumbling 1 min`. */
  readonly label: string;
  /**
   * How far stream time must be past a window's end for the window to be closed. It is the grace, plus 1 ms
   * where the window includes its end, plus the gap of a session. Infinity: never.
   */
  readonly closesAfterMs: number;
  /** How long a window stays in the store, in stream time, counted from its start. */
  readonly retentionMs: number;
}

/** For a record from before the epoch. */
export const NO_WINDOW: readonly WindowKey<never>[] = [];

/** Windows that depend on a timestamp alone. */
export interface TimeWindows extends Closing {
  readonly kind: 'time';
  /** The windows of a key that contain a moment, in the order of their starts; none before the epoch. */
  of<K>(timestamp: number, key: K): readonly WindowKey<K>[];
}

/** A window per distinct set of records within a length of time. Both ends are included. */
export interface SlidingWindows extends Closing {
  readonly kind: 'sliding';
  readonly differenceMs: number;
}

/**
 * Windows of activity: records of a key with no gap between them longer than `gapMs`. Both ends are included.
 */
export interface SessionWindows extends Closing {
  readonly kind: 'session';
  readonly gapMs: number;
}

/** Windows of a number of records of a key. */
export interface CountWindows extends Closing {
  readonly kind: 'count';
  readonly records: number;
}

export type Windows = TimeWindows | SlidingWindows | SessionWindows | CountWindows;

/**
 * How long after its end, in stream time, suppress emits a window, as in Kafka Streams. Infinity: stream time
 * never closes it. Sliding windows and sessions include their end, so they still accept records in the
 * millisecond in which they are emitted.
 */
export function suppressedForMs({ kind, closesAfterMs }: Windows): number {
  if (kind === 'count') return Number.POSITIVE_INFINITY;
  return kind === 'time' ? closesAfterMs : closesAfterMs - 1;
}

export interface WindowOptions {
  /** How long after its end, in stream time, a window still accepts late records. Default: not at all. */
  readonly grace?: Duration;
  /**
   * How long a window can be looked up in the store, in stream time, counted from its start (a session: from
   * its end). At least as long as the window is open, which is the default.
   */
  readonly retention?: Duration;
}

/**
 * Windows of a fixed size that do not overlap: a record belongs to one. They begin at multiples of their size
 * since the epoch; the start is included, the end is not.
 *
 * ```ts
 * clicks.pipe(count({ store: 'clicks-per-minute', window: tumbling('1m', { grace: '10s' }) }));
 * ```
 *
 * A window is closed when stream time reaches its end + grace. CONFIG_INVALID for a size of zero, and for a
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
  /** The distance between the starts of two windows; at most the size. */
  readonly every: Duration;
}

/**
 * Windows of a fixed size that overlap. One begins every `every`, and a record belongs to all windows that
 * contain its timestamp: size / every of them. They begin at multiples of `every` since the epoch; the start
 * is included, the end is not.
 *
 * ```ts
 * clicks.pipe(count({ store: 'clicks', window: hopping('5m', { every: '1m', grace: '10s' }) }));
 * ```
 *
 * Each window costs its own row and update. CONFIG_INVALID for a size or `every` of zero, and for an `every`
 * longer than the size. Semantics: TimeWindows.advanceBy of Kafka Streams.
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
      // Start with the first window that contains the moment, but not before the epoch.
      const earliest = Math.max(0, timestamp - first);
      for (let start = earliest - (earliest % everyMs); start <= timestamp; start += everyMs)
        windows.push(new WindowKey(key, start, start + sizeMs));
      return windows;
    },
  };
}

/**
 * One window that begins at a moment and never ends. Records before it belong to no window.
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
 * A window per distinct set of records of a key that are at most `difference` apart. Both ends are included.
 *
 * ```ts
 * payments.pipe(count({ store: 'payments-in-ten-minutes', window: sliding('10m', { grace: '1m' }) }));
 * ```
 *
 * One window ends with each record, and one begins right after it if others follow. Different windows contain
 * different records. None begins before 0, so the records before `difference` share one window. A window is
 * closed when stream time has passed its end + grace. A record is late when the window that begins with it is
 * closed. A late record changes nothing; any other is added to its open windows. Records without a key or
 * value are dropped (`null-key`, `null-value`) and do not advance stream time.
 *
 * Order: a record first emits all windows that it changes, from the latest start to the earliest, then the
 * new ones. For records before `difference` the order is different, as in Kafka Streams. A window may be
 * emitted twice. The aggregate of a new window may start as a copy of another's, so `add` must not modify its
 * argument.
 *
 * State: the windows of a key that start within twice the difference lie in one row. Cost: one or two
 * look-ups and writes per record, whatever the timestamps, and one call of `add` for each window that
 * contains the record. These are twice as many as there are records within the difference on both sides of
 * it. A changed row is written at a commit; of a row above 32 KiB only the changed pages are written. Rows
 * live for the retention (default: twice the difference, plus grace), counted from the start of windows. A
 * longer retention costs only disk. CONFIG_INVALID for a difference of zero, and for a retention shorter than
 * the default.
 *
 * Semantics: SlidingWindows of Kafka Streams (KIP-450), with one exception. A new window that starts as a
 * copy has no previous value, whatever the other window contained.
 */
export function sliding(difference: Duration, options: WindowOptions = {}): SlidingWindows {
  const differenceMs = positiveMs(difference, 'the difference of a sliding window');
  const lengths = { openMs: 2 * differenceMs, behindMs: 1 };
  return { kind: 'sliding', differenceMs, ...closing(`sliding ${formatMs(differenceMs)}`, lengths, options) };
}

/**
 * Windows of activity: a record joins the session of its key that is at most `gap` away. Sessions that it
 * connects are merged. A session's ends are its first and last record, both included.
 *
 * ```ts
 * clicks.pipe(count({ store: 'visits', window: session('30m', { grace: '1m' }) }));
 * ```
 *
 * When a session grows, it is deleted under its old bounds, with its end as the timestamp. Then it is emitted
 * under its new ones, even if they are equal. Only a session of a single moment that stays one is not deleted
 * first. A session is closed, and final, when stream time has passed its end + gap + grace. A record next to
 * it that is not late then begins another session. A record is late if a session of this record alone would
 * be closed, and there is no open session that it joins. Records without a key are dropped (`null-key`);
 * records without a value count.
 *
 * State: one row per key with all its sessions within the retention, counted from their ends. The default
 * retention is gap plus grace, so there is mostly one session. Cost: one look-up and one write per record. A
 * changed row is read whole, and stays in memory whole until it is evicted. It is written at a commit; of a
 * row above 32 KiB only the changed pages are written. CONFIG_INVALID for a gap of zero, and for a retention
 * shorter than gap and grace.
 *
 * Semantics: SessionWindows of Kafka Streams (KIP-94), with one exception. With the default retention a
 * session is kept as long as it is open, not one millisecond less.
 */
export function session(gap: Duration, options: WindowOptions = {}): SessionWindows {
  const gapMs = positiveMs(gap, 'the gap of a session');
  const lengths = { openMs: gapMs, behindMs: gapMs + 1 };
  return { kind: 'session', gapMs, ...closing(`session ${formatMs(gapMs)}`, lengths, options) };
}

interface Lengths {
  /** How long a window without grace accepts records. */
  readonly openMs: number;
  /** How far stream time must be past the end for a window without grace to be closed. */
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
      `${label} windows would be removed while they are open`,
      `retention ${retention}`,
      `at least size and grace together, ${openMs + graceMs}ms`,
      'Make the retention longer, or the grace shorter.',
    );
  }
  return { label, closesAfterMs: graceMs + behindMs, retentionMs };
}

export const invalid = (what: string, saw: string, expected: string, action: string): StreamsError =>
  new StreamsError('CONFIG_INVALID', { what, saw, expected, action });
