import { type Duration, durationMs } from '../../model/duration.js';
import { isStreamsError, messageOf, StreamsError } from '../../model/errors.js';

/** An error may ask for no earlier attempt than after this. */
const MOST_AFTER_MS = 7 * 86_400_000;
/** Characters of an error that are kept. */
const MOST_TEXT = 1_000;

/** When to try again: milliseconds from now, a duration, or a moment. */
export type RetryAfter = number | Duration | Date;

/** Registered, because a user's file may load another copy of this library. */
const CALL = Symbol.for('millrace.call');

interface Said {
  readonly isTerminal: boolean;
  readonly after?: RetryAfter | undefined;
}

/** An error that says how a call goes on. */
class CallError extends Error {
  override readonly name = 'CallError';
  readonly [CALL]: Said;

  constructor(error: unknown, said: Said) {
    super(messageOf(error), { cause: error });
    this[CALL] = said;
  }
}

/**
 * The error for a call that may succeed later: throw it in the function of `effect` or `mapAsync`. Any error
 * is retried; this one says when. `after` replaces the pause of `retry.backoff`, and is at most seven days:
 * with more, the call fails for good. An error with a property `retryAfter` says the same.
 *
 * ```ts no-run
 * const answer = await fetch('https://mail.example/receipts');
 * if (answer.status === 429) throw retryable(new Error('too many requests'), { after: '30s' });
 * ```
 */
export const retryable = (error: unknown, { after }: { readonly after?: RetryAfter } = {}): Error =>
  new CallError(error, { isTerminal: false, after });

/**
 * The error for a call that no further attempt can save, such as a request that the service refuses. It fails
 * at once, and `onFailure` applies. It says nothing of the service: the breaker does not count it.
 *
 * ```ts no-run
 * const answer = await fetch('https://mail.example/receipts');
 * if (answer.status === 400) throw terminal(new Error(await answer.text()));
 * ```
 */
export const terminal = (error: unknown): Error => new CallError(error, { isTerminal: true });

/** A failed attempt. */
export interface CallFailure {
  /** A code of {@link StreamsError}, or `CALL_FAILED`. */
  readonly code: string;
  readonly message: string;
  /** No further attempt would help. */
  readonly isTerminal: boolean;
  /** The earliest moment of the next attempt; undefined: the backoff decides. */
  readonly notBefore: number | undefined;
}

export function failureOf(error: unknown, now: number): CallFailure {
  const said = (error as Partial<CallError> | null | undefined)?.[CALL];
  const code = isStreamsError(error) ? error.code : 'CALL_FAILED';
  const message = cut(messageOf(error));
  if (said?.isTerminal || code === 'SERIALIZE_FAILED') return { code, message, isTerminal: true, notBefore: undefined };
  const after = said?.after ?? (error as { readonly retryAfter?: unknown } | null | undefined)?.retryAfter;
  const notBefore = momentOf(after, now);
  if (notBefore !== undefined && notBefore - now > MOST_AFTER_MS)
    return {
      code,
      message: cut(
        `${message} (it asks for the next attempt after ${Math.ceil((notBefore - now) / 86_400_000)} days, which is more than 7)`,
      ),
      isTerminal: true,
      notBefore: undefined,
    };
  return { code, message, isTerminal: false, notBefore };
}

/** Undefined for what is no time: the error of a library may use the name for something else. */
function momentOf(after: unknown, now: number): number | undefined {
  if (after instanceof Date) return Number.isNaN(after.getTime()) ? undefined : Math.max(now, after.getTime());
  if (typeof after === 'number') return after >= 0 ? now + Math.ceil(after) : undefined;
  if (typeof after !== 'string') return undefined;
  try {
    return now + durationMs(after as Duration);
  } catch {
    return undefined;
  }
}

/** A prefix of the text that UTF-8 can hold. */
const cut = (text: string): string => {
  const some = text.slice(0, MOST_TEXT) as string & { toWellFormed(): string };
  return some.toWellFormed();
};

/** The error of a call that failed for good. */
export const callFailed = (
  name: string,
  { message, code }: Pick<CallFailure, 'message' | 'code'>,
  attempt: number,
): StreamsError =>
  new StreamsError(code === 'CALL_TIMEOUT' || code === 'SERIALIZE_FAILED' ? code : 'CALL_FAILED', {
    what: `a call failed for good, in attempt ${attempt}: ${message}`,
    at: name,
    action:
      'Correct the function or the service. The next start calls again under the same key. To go on without such calls, set onFailure.',
  });

export const timedOut = (name: string, timeoutMs: number): StreamsError =>
  new StreamsError('CALL_TIMEOUT', {
    what: `a call gave no answer within ${timeoutMs} ms`,
    at: name,
    action: 'Use the signal of the context to end the request, or raise timeout.',
  });
