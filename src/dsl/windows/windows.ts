import { type Duration, durationMs, formatMs } from '../../model/duration.js';
import { StreamsError } from '../../model/errors.js';

/** The first moment of a window, and its end: see Windowed for what is included. */
export interface WindowBounds {
  readonly start: number;
  readonly end: number;
}

interface Closing {
  /** For people: `tumbling 1 min`. */
  readonly label: string;
  /** How long after its end a window still takes records in. */
  readonly graceMs: number;
  /** How long a window stays in the store, in stream time, counted from its start. */
  readonly retentionMs: number;
}

/** Windows that follow from a timestamp alone. */
export interface TimeWindows extends Closing {
  readonly kind: 'time';
  /** The windows that hold a moment, in the order of their starts. */
  of(timestamp: number): readonly WindowBounds[];
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

export type Windows = TimeWindows | SlidingWindows | SessionWindows;

export interface WindowOptions {
  /** How long after its end, in stream time, a window still takes late records in. Default: not at all. */
  readonly grace?: Duration;
  /** How long a window can be looked up in the store, in stream time, counted from its start. At least as long as it is open, which is the default. */
  readonly retention?: Duration;
}

/**
 * Windows of one length, side by side: a record belongs to one. They begin at multiples of their size since the epoch; the start is included, the end is not.
 *
 * ```ts
 * clicks.pipe(count({ store: 'clicks-per-minute', window: tumbling('1m', { grace: '10s' }) }));
 * ```
 *
 * A window is closed when stream time reaches its end + grace. CONFIG_INVALID for a size of zero, and a retention shorter than size + grace. Semantics: TimeWindows of Kafka Streams.
 */
export function tumbling(size: Duration, options: WindowOptions = {}): TimeWindows {
  const sizeMs = positiveMs(size, 'the size of a tumbling window');
  return {
    kind: 'time',
    ...closing('tumbling', sizeMs, sizeMs, options),
    of(timestamp) {
      const start = timestamp - (timestamp % sizeMs);
      return [{ start, end: start + sizeMs }];
    },
  };
}

export interface HoppingOptions extends WindowOptions {
  /** How far one window begins behind the one before; at most the size. */
  readonly every: Duration;
}

/**
 * Windows of one length that overlap: one begins `every` so often, and a record belongs to all that hold its timestamp, size / every of them. They begin at multiples of `every` since the epoch; the start is included, the end is not.
 *
 * ```ts
 * clicks.pipe(count({ store: 'clicks', window: hopping('5m', { every: '1m', grace: '10s' }) }));
 * ```
 *
 * Each window costs a row and an update of its own. CONFIG_INVALID for a size or `every` of zero, and for an `every` longer than the size. Semantics: TimeWindows.advanceBy of Kafka Streams.
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
    ...closing('hopping', sizeMs, sizeMs, options),
    of(timestamp) {
      const bounds: WindowBounds[] = [];
      // The first window that holds the moment, but none that would begin before the epoch.
      const earliest = Math.max(0, timestamp - first);
      for (let start = earliest - (earliest % everyMs); start <= timestamp; start += everyMs)
        bounds.push({ start, end: start + sizeMs });
      return bounds;
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
  const bounds = [{ start: from, end: Number.POSITIVE_INFINITY }];
  return {
    kind: 'time',
    label: 'unlimited',
    graceMs: 0,
    retentionMs: Number.POSITIVE_INFINITY,
    of: (timestamp) => (timestamp >= from ? bounds : []),
  };
}

/**
 * A window for each distinct set of records of a key that lie no further apart than `difference`. Both ends are included.
 *
 * ```ts
 * logins.pipe(count({ store: 'failed-logins', window: sliding('10m', { grace: '1m' }) }));
 * ```
 *
 * A window is closed when stream time has passed its end + grace. A record updates all windows that hold it and may begin two more, so it costs as much as there are records within twice the
 * difference of it; records without a value are dropped. Semantics: SlidingWindows of Kafka Streams (KIP-450).
 */
export function sliding(difference: Duration, options: WindowOptions = {}): SlidingWindows {
  const differenceMs = positiveMs(difference, 'the difference of a sliding window');
  return { kind: 'sliding', differenceMs, ...closing('sliding', differenceMs, 2 * differenceMs, options) };
}

/**
 * Windows of activity: a record joins the session of its key that is no further away than `gap`, and sessions that it brings together become one. Both ends are included, and are those of the first and the last record.
 *
 * ```ts
 * clicks.pipe(count({ store: 'visits', window: session('30m', { grace: '1m' }) }));
 * ```
 *
 * A session is closed when stream time has passed its end + gap + grace. A session that grows is deleted under its old bounds and emitted under its new ones. Semantics: SessionWindows of Kafka Streams (KIP-94).
 */
export function session(gap: Duration, options: WindowOptions = {}): SessionWindows {
  const gapMs = positiveMs(gap, 'the gap of a session');
  return { kind: 'session', gapMs, ...closing('session', gapMs, gapMs, options) };
}

/** `openMs`: how long a window takes records in without grace. */
function closing(kind: string, lengthMs: number, openMs: number, { grace = '0ms', retention }: WindowOptions): Closing {
  const label = `${kind} ${formatMs(lengthMs)}`;
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
  return { label, graceMs, retentionMs };
}

function positiveMs(duration: Duration, what: string): number {
  const ms = durationMs(duration, what);
  if (ms > 0) return ms;
  throw invalid(`${what} is zero`, JSON.stringify(duration), 'at least "1ms"', 'Give it a length.');
}

const invalid = (what: string, saw: string, expected: string, action: string): StreamsError =>
  new StreamsError('CONFIG_INVALID', { what, saw, expected, action });
