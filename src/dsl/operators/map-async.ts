import type { Observable, OperatorFunction } from 'rxjs';
import { checkFields } from '../../model/policy/fields.js';
import type { StreamRecord } from '../../model/record.js';
import { show } from '../../model/text/show.js';
import type { Serde } from '../../serdes/serde.js';
import { CALL_FIELDS, type CallOptions, type EffectContext, invalid, resolveCalls } from '../calls/call-options.js';
import type { CallProblem } from '../calls/calling.js';
import { declareCalls } from '../calls/declare-calls.js';
import type { FactOf, KeyOf, NeedsStream } from '../contract/types.js';
import { currentDeclaring } from '../declare/attach.js';
import { checkSerdes } from '../declare/checks.js';

/** What a call returned, or why it failed for good. */
export type CallResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: CallProblem };

interface CommonOptions<R extends NeedsStream, Out> extends CallOptions<R> {
  /** How the returned values are written. Null is written without it. */
  readonly value: Serde<Out>;
}

/** The options of `mapAsync`. */
export interface MapAsyncOptions<R extends NeedsStream, Out> extends CommonOptions<R, Out> {
  /**
   * What happens if a call fails for good. `fail` (default): the application ends, and the next start calls
   * again. `deadLetter`: the record goes to the dead letter topic. `value`: the failure is passed on as a
   * value, {@link CallResult}.
   */
  readonly onFailure?: 'fail' | 'deadLetter';
}

/** The options of `mapAsync` if failures pass on as values. */
export interface MapAsyncResultOptions<R extends NeedsStream, Out> extends CommonOptions<R, Out> {
  readonly onFailure: 'value';
}

export type MapAsyncFunction<R, Out> = (record: R, context: EffectContext) => Out | null | Promise<Out | null>;

/**
 * Replaces each value by what a call returns: a lookup in a service, a payment and its answer. Key, timestamp
 * and headers stay. Streams only.
 *
 * It works as {@link effect} does: the record is stored and called after the commit; what the function
 * returned is stored, too, as a record of the internal input `<application>-<name>-outcomes`. **To the
 * outside, a record is called at least once, always under one key. Inside, it has exactly one outcome**, and
 * a replay takes that one. Outputs of one key are in the order of the inputs. Over keys they come as calls
 * end, with the timestamps of their inputs: later windows need a grace that is longer than the slowest call.
 *
 * State: one row for each record that waits, `<name>-pending`. Cost: that row, one record of the internal
 * input with the returned value, and a commit for what has ended. Errors: those of {@link effect}; what
 * `value` cannot write fails for good (SERIALIZE_FAILED). With `effects: 'silent'` of the application there
 * are no results, and the records end here (`without-result`).
 *
 * ```ts
 * payments.pipe(
 *   mapAsync(
 *     'score',
 *     async ({ value }, { idempotencyKey, signal }) => {
 *       const answer = await fetch(`https://risk.example/${value.account}`, { headers: { 'idempotency-key': idempotencyKey }, signal });
 *       return (await answer.json()) as { risk: number };
 *     },
 *     { value: serdes.json<{ risk: number }>(), concurrency: 64 },
 *   ),
 * );
 * ```
 */
export function mapAsync<K, V, Out, R extends NeedsStream = FactOf<K, V>>(
  name: string,
  fn: MapAsyncFunction<R, Out>,
  options: MapAsyncResultOptions<R, Out>,
): OperatorFunction<R, StreamRecord<KeyOf<R>, CallResult<Out>>>;
export function mapAsync<K, V, Out, R extends NeedsStream = FactOf<K, V>>(
  name: string,
  fn: MapAsyncFunction<R, Out>,
  options: MapAsyncOptions<R, Out>,
): OperatorFunction<R, StreamRecord<KeyOf<R>, Out>>;
export function mapAsync<R extends NeedsStream, Out>(
  name: string,
  fn: MapAsyncFunction<R, Out>,
  options: MapAsyncOptions<R, Out> | MapAsyncResultOptions<R, Out>,
  // biome-ignore lint/suspicious/noExplicitAny: both signatures at once
): OperatorFunction<any, any> {
  const of = `mapAsync ${name}`;
  const { onFailure = 'fail' } = options;
  checkFields(options, [...CALL_FIELDS, 'value', 'onFailure'], of);
  if (!['fail', 'deadLetter', 'value'].includes(onFailure))
    throw invalid(`onFailure of ${of}`, onFailure, 'fail, deadLetter or value');
  const calls = resolveCalls(options, of);
  return (source: Observable<R>) => {
    const current = currentDeclaring('mapAsync');
    if (typeof fn !== 'function') current.problem(of, `its function is ${show(fn)}`, 'Give the function that calls.');
    checkSerdes(current, of, { key: current.inspect(source).key, value: options.value });
    const asValue = onFailure === 'value';
    const spec = declareCalls(current, source, {
      ...{ operator: 'mapAsync', name, options, calls, onFailure, run: fn, result: options.value },
      ...(asValue && {
        passOn: (value) => ({ ok: true, value }),
        passOnProblem: (error) => ({ ok: false, error }),
      }),
    });
    return current.processor(spec, [source]);
  };
}
