import type { MonoTypeOperatorFunction } from 'rxjs';
import { checkFields } from '../../model/policy/fields.js';
import { show } from '../../model/text/show.js';
import { CALL_FIELDS, type CallOptions, type EffectContext, invalid, resolveCalls } from '../calls/call-options.js';
import { declareCalls } from '../calls/declare-calls.js';
import { checkedId, idText } from '../common/ids.js';
import { whenGiven } from '../contract/policy-options.js';
import type { Processor, ProcessorContext } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import { currentDeclaring } from '../declare/attach.js';

export type { EffectContext } from '../calls/call-options.js';

export type EffectFunction<R> = (record: R, context: EffectContext) => void | Promise<void>;

export interface EffectOptions<R extends AnyRecord> extends CallOptions<R> {
  readonly run: EffectFunction<R>;
  /**
   * What happens if a call fails for good. `fail` (default): the application ends, and the next start calls
   * again. `deadLetter`: the record goes to the dead letter topic, and does not pass on.
   */
  readonly onFailure?: 'fail' | 'deadLetter';
  /**
   * True: the record passes on at once, and the task waits for the call before it commits. Nothing is stored,
   * and only `run`, `id` and `onError` have a meaning: `onError.process` says what happens if a call throws.
   * Default: false.
   */
  readonly inline?: boolean;
}

const INLINE_FIELDS = ['run', 'id', 'onError', 'inline'];

/**
 * Calls an external service for each record: a mail, a payment, a webhook. The record passes on when its call
 * is done, with the same key, value, timestamp and headers.
 *
 * The record is stored with the batch, and called after the commit. The end of the call is a record of an
 * internal input, `<application>-<name>-outcomes`. When it is read, the record passes on. **To the outside, a
 * record is called at least once, always under one key. Inside, it has exactly one outcome.** Calls of one
 * key run in order, calls of other keys at the same time. Failed calls are made again, also after a crash. A
 * replay calls nothing and takes the outcomes that were.
 *
 * The idempotency key is `<application>/<name>/<id>`. Without an `id` it is
 * `<application>/<name>/<topic>-<partition>@<offset>`, with the position of the source record. A suffix
 * distinguishes further records with the same source: `#1`, `#2` … for copies made by plain operators, and
 * the operators on the path, for example `>count totals`. The path continues through a repartition. For a
 * record that a timer emits, the key contains the timer's interval and the due time. With the option
 * `effects: 'silent'` of the application nothing is called, and each record passes on (`silenced`).
 *
 * With `inline: true` the record passes on at once. Calls run one after the other, after the batch and before
 * its commit: nothing is committed until its call has succeeded.
 *
 * State: one row for each record that waits, `<name>-pending`. Cost: that row, one record of the internal
 * input, and a commit for what has ended. Errors: CALL_FAILED, CALL_TIMEOUT, SERIALIZE_FAILED (a record that
 * `request` cannot write), CONFIG_INVALID. See docs/calls.md.
 *
 * ```ts
 * payments.pipe(
 *   effect('receipts', async (payment, { idempotencyKey, signal }) => {
 *     await fetch('https://mail.example/receipts', { method: 'POST', headers: { 'idempotency-key': idempotencyKey }, body: JSON.stringify(payment.value), signal });
 *   }),
 * );
 * ```
 *
 * To use what the service answers, see {@link mapAsync}. To look at records without calling anything, use
 * {@link peek}.
 */
export function effect<R extends AnyRecord>(
  name: string,
  run: EffectFunction<R> | EffectOptions<R>,
): MonoTypeOperatorFunction<R> {
  const options: EffectOptions<R> = typeof run === 'function' ? { run } : run;
  const of = `effect ${name}`;
  const { inline = false, onFailure = 'fail' } = options;
  checkFields(options, inline ? INLINE_FIELDS : [...CALL_FIELDS, 'run', 'onFailure', 'inline'], of);
  if (onFailure !== 'fail' && onFailure !== 'deadLetter')
    throw invalid(`onFailure of ${of}`, onFailure, 'fail or deadLetter');
  const calls = resolveCalls(options, of);
  return (source) => {
    const current = currentDeclaring('effect');
    if (typeof options.run !== 'function')
      current.problem(of, `run is ${show(options.run)}`, 'Give the function that calls.');
    const spec = inline
      ? {
          operator: 'effect',
          name,
          stores: [],
          keyed: false,
          ...whenGiven(options),
          asksOrigin: true,
          create: (context: ProcessorContext) => new InlineEffect<R>(name, options, context),
        }
      : declareCalls(current, source, { operator: 'effect', name, options, calls, onFailure, run: options.run });
    return current.processor(spec, [source]) as unknown as ReturnType<MonoTypeOperatorFunction<R>>;
  };
}

/** The calls of a batch are made at its end. */
class InlineEffect<R extends AnyRecord> implements Processor {
  readonly #name: string;
  readonly #options: EffectOptions<R>;
  readonly #context: ProcessorContext;
  constructor(name: string, options: EffectOptions<R>, context: ProcessorContext) {
    this.#name = name;
    this.#options = options;
    this.#context = context;
  }

  process(record: AnyRecord): void {
    const { position } = this.#context;
    const { run, id } = this.#options;
    const own = id
      ? idText(checkedId(id(record as R), 'the id of a record', `effect ${this.#name}`))
      : this.#context.origin;
    let attempts = 0;
    this.#context.effect({
      id: `${this.#name}/${own}`,
      record,
      run: (idempotencyKey) =>
        run(record as R, {
          idempotencyKey,
          position,
          attempt: ++attempts,
          get signal() {
            return new AbortController().signal;
          },
        }),
    });
    this.#context.emit(record);
  }
}
