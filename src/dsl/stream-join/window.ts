import { type Duration, durationMs } from '../../model/duration.js';
import { StreamsError } from '../../model/errors.js';

/** Which right records match a left record, and how long both wait for a match. */
export type JoinWindowOptions = {
  /**
   * How long, in stream time, a record without a partner waits beyond its window. Records are also kept that
   * much longer for late ones. Default: not at all.
   */
  readonly grace?: Duration;
} & (
  | {
      /** How far apart two records may be, in either order. Both ends included. */
      readonly within: Duration;
      readonly before?: never;
      readonly after?: never;
    }
  | {
      readonly within?: never;
      /**
       * How much earlier than the left record the right one may be; negative (`'-1m'`): how much later it
       * must be. Default: not at all.
       */
      readonly before: Duration;
      readonly after?: Duration;
    }
  | {
      readonly within?: never;
      readonly before?: Duration;
      /**
       * How much later than the left record the right one may be; negative: how much earlier it must be.
       * Default: not at all.
       */
      readonly after: Duration;
    }
);

/** Left and right match if left − before ≤ right ≤ left + after. */
export interface JoinWindow {
  readonly beforeMs: number;
  readonly afterMs: number;
  readonly graceMs: number;
  /** How much older than the newest record of its side a record may be and still match. */
  readonly retentionMs: number;
}

/** CONFIG_INVALID for a window in which nothing can match. `where`: the operator and its name. */
export function joinWindow(options: JoinWindowOptions, where: string): JoinWindow {
  const {
    within,
    before,
    after,
    grace = '0ms',
  } = options as {
    readonly [Option in 'within' | 'before' | 'after' | 'grace']?: Duration;
  };
  const given = Object.entries({ within, before, after })
    .flatMap(([name, duration]) => (duration === undefined ? [] : [`${name} ${duration}`]))
    .join(', ');
  if (within !== undefined && (before !== undefined || after !== undefined)) {
    throw invalid('the window is given twice', where, given, 'within, or before and after', 'Leave one of them out.');
  }
  if (within === undefined && before === undefined && after === undefined) {
    throw invalid(
      'there is no window',
      where,
      'neither within nor before nor after',
      'one of them',
      'Say how far apart two records may be: within: "5m".',
    );
  }
  const beforeMs = signedMs(within ?? before ?? '0ms', `${within === undefined ? 'before' : 'within'} of ${where}`);
  const afterMs = signedMs(within ?? after ?? '0ms', `after of ${where}`);
  const graceMs = durationMs(grace, `grace of ${where}`);
  if (beforeMs + afterMs < 0) {
    throw invalid(
      'the window ends before it begins',
      where,
      given,
      'before and after with a sum of at least zero',
      'A negative before needs an after that is at least as long: before: "-1m", after: "5m".',
    );
  }
  const retentionMs = beforeMs + afterMs + graceMs;
  if (retentionMs === 0) {
    throw invalid(
      'the window has no length, so no record would be kept to match',
      where,
      `${given} and no grace`,
      'at least 1 ms, of the window and grace together',
      'Give it a length. With a grace, a window without a length joins records of equal timestamps.',
    );
  }
  return { beforeMs, afterMs, graceMs, retentionMs };
}

function signedMs(duration: Duration, what: string): number {
  const text = String(duration);
  return text.startsWith('-') ? -durationMs(text.slice(1) as Duration, what) : durationMs(duration, what);
}

const invalid = (what: string, at: string, saw: string, expected: string, action: string): StreamsError =>
  new StreamsError('CONFIG_INVALID', { what, at, saw, expected, action });
