import { type Duration, positiveMs } from '../../model/duration.js';
import { StreamsError } from '../../model/errors.js';
import { type Backoff, type ResolvedBackoff, resolveBackoff } from '../../model/policy/backoff.js';
import { checkFields, isFields } from '../../model/policy/fields.js';
import type { SourcePosition } from '../../model/record.js';
import { show } from '../../model/text/show.js';
import type { Serde } from '../../serdes/serde.js';
import type { Id } from '../common/ids.js';
import type { PolicyOptions } from '../contract/policy-options.js';
import type { AnyRecord } from '../contract/push.js';

/** What the function of a call receives in addition to the record. */
export interface EffectContext {
  /**
   * The same each time the record is processed, and different for every other record, timer and application.
   * Pass it to the service that you call, so that a second call has no effect.
   */
  readonly idempotencyKey: string;
  /** The position of the source record that caused the call. */
  readonly position: SourcePosition;
  /** The number of the attempt, from 1. After a crash, the same attempt may be made again. */
  readonly attempt: number;
  /**
   * Aborted when the answer is no longer waited for: after `timeout`, and when the task ends. With `inline`
   * it never is.
   */
  readonly signal: AbortSignal;
}

/** Pauses calls of a service that seems to be down. */
export interface BreakerOptions {
  /** After how many failed attempts in a row, of any keys. */
  readonly failures: number;
  /** For how long. One call is then made; if it succeeds, the others follow. */
  readonly pause: Duration;
}

/** What `effect` and `mapAsync` have in common. */
export interface CallOptions<R extends AnyRecord> extends PolicyOptions {
  /**
   * What identifies the record: an event id. Default: the record's path from its source. PROCESS_FAILED if it
   * returns nothing, or a number above 2^53 − 1. In the key a number has the prefix `#`: 5 is not "5".
   */
  readonly id?: (record: R) => Id;
  /** How many calls of one task may run at the same time. Default 16. */
  readonly concurrency?: number;
  /**
   * `key` (default): calls of one key are made one after the other, in the order of their records, and so are
   * their outputs. A key change before the operator inserts a repartition. `none`: in any order. Records
   * without a key have no order.
   */
  readonly orderBy?: 'key' | 'none';
  /** An attempt that has no answer by then counts as failed. Default `30s`. */
  readonly timeout?: Duration;
  /**
   * `attempts`: how often a call is made at most; Infinity: until it succeeds. Default 5. `backoff`: the
   * pauses in between. Default: from 1 s, doubled up to 1 min, with a jitter of 0.2.
   */
  readonly retry?: { readonly attempts?: number; readonly backoff?: Backoff };
  /**
   * How many calls of a task may wait or run. At this number the task takes no more input until some are
   * done; the batch under way may exceed it. Default 10,000.
   */
  readonly maxPending?: number;
  /** Default: `{ failures: 10, pause: '10s' }`. */
  readonly breaker?: BreakerOptions | false;
  /** How the values of waiting records are written. Default: JSON. Keys: by the input's key serde. */
  readonly request?: Serde<R['value']>;
}

/** The options with their defaults. */
export interface ResolvedCalls {
  readonly concurrency: number;
  readonly ordered: boolean;
  readonly timeoutMs: number;
  readonly attempts: number;
  readonly backoff: ResolvedBackoff;
  readonly maxPending: number;
  readonly breaker: { readonly failures: number; readonly pauseMs: number } | undefined;
}

const BACKOFF: Backoff = { kind: 'exponential', from: '1s', max: '1m', jitter: 0.2 };

/** The fields of {@link CallOptions}. */
export const CALL_FIELDS = [
  'onError',
  'id',
  'concurrency',
  'orderBy',
  'timeout',
  'retry',
  'maxPending',
  'breaker',
  'request',
] as const;

/** Checks the options. CONFIG_INVALID names the option. `of`: "effect mails". */
export function resolveCalls(options: Omit<CallOptions<AnyRecord>, 'onError' | 'id'>, of: string): ResolvedCalls {
  const { concurrency = 16, orderBy = 'key', timeout = '30s', retry = {}, maxPending = 10_000 } = options;
  const { breaker = { failures: 10, pause: '10s' } } = options;
  if (orderBy !== 'key' && orderBy !== 'none') throw invalid(`orderBy of ${of}`, orderBy, 'key or none');
  if (!isFields(retry)) throw invalid(`retry of ${of}`, retry, '{ attempts, backoff }');
  checkFields(retry, ['attempts', 'backoff'], `retry of ${of}`);
  if (breaker !== false && !isFields(breaker))
    throw invalid(`breaker of ${of}`, breaker, '{ failures, pause }, or false');
  if (breaker !== false) checkFields(breaker, ['failures', 'pause'], `breaker of ${of}`);
  const { attempts = 5, backoff = BACKOFF } = retry;
  return {
    concurrency: positive(concurrency, `concurrency of ${of}`),
    ordered: orderBy === 'key',
    timeoutMs: positiveMs(timeout, `timeout of ${of}`),
    attempts: attempts === Number.POSITIVE_INFINITY ? attempts : positive(attempts, `retry.attempts of ${of}`),
    backoff: resolveBackoff(backoff, `retry.backoff of ${of}`),
    maxPending: positive(maxPending, `maxPending of ${of}`),
    breaker:
      breaker === false
        ? undefined
        : {
            failures: positive(breaker.failures, `breaker.failures of ${of}`),
            pauseMs: positiveMs(breaker.pause, `breaker.pause of ${of}`),
          },
  };
}

function positive(value: number, option: string): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw invalid(option, value, 'a whole number of at least 1');
}

export const invalid = (option: string, saw: unknown, expected: string): StreamsError =>
  new StreamsError('CONFIG_INVALID', {
    what: `cannot use ${option}`,
    saw: show(saw),
    expected,
    action: 'Correct the option.',
  });
