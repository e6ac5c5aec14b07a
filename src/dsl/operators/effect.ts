import type { MonoTypeOperatorFunction } from 'rxjs';
import type { SourcePosition } from '../../model/record.js';
import { checkedId, type Id, idText } from '../common/ids.js';
import { type PolicyOptions, whenGiven } from '../contract/policy-options.js';
import type { Processor, ProcessorContext } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import { currentDeclaring } from '../declare/attach.js';

/** What the function of an effect receives in addition to the record. */
export interface EffectContext {
  /**
   * The same each time the record is processed, and different for every other record, timer and application.
   * Pass it to the service that you call, so that a second call has no effect.
   */
  readonly idempotencyKey: string;
  /** The position of the source record that caused the call. */
  readonly position: SourcePosition;
}

export type EffectFunction<R> = (record: R, context: EffectContext) => void | Promise<void>;

export interface EffectOptions<R> extends PolicyOptions {
  readonly run: EffectFunction<R>;
  /**
   * What identifies the record: an event id. Default: the record's path from its source. PROCESS_FAILED if it
   * returns nothing, or a number above 2^53 − 1. In the key a number has the prefix `#`: 5 is not "5".
   */
  readonly id?: (record: R) => Id;
}

/**
 * Calls an external service for each record: a mail, a payment, a webhook. The record passes on at once;
 * later operators do not wait for the call.
 *
 * In live processing, calls run one after the other in the order of their records. They run after the batch
 * is processed and before its offsets are committed: nothing is committed until its call has succeeded. After
 * a crash between call and commit, the call is made again with the same idempotency key. The key is
 * `<application>/<name>/<id>`. Without an `id` it is `<application>/<name>/<topic>-<partition>@<offset>`,
 * with the position of the source record. A suffix distinguishes further records with the same source: `#1`,
 * `#2` … for copies made by plain operators, and the operators on the path, for example `>count totals`. The
 * path continues through a repartition, so a copy that a crash left in the topic has the same key. For a
 * record that a timer emits, the key contains the timer's interval and the due time. That key does not occur
 * again after a restart. In a replay (or with the option `effects: 'silent'`) nothing is called, and each
 * suppressed call is counted (`silenced`).
 *
 * No state. Cost: the task waits for each call. If a call throws, the `onError.process` policy applies
 * (PROCESS_FAILED): configure retries there. Under `skip` and `deadLetter` the call counts as done. Give the
 * call a time limit: a call that never ends blocks its task for ever.
 *
 * ```ts
 * payments.pipe(
 *   effect('receipts', async (payment, { idempotencyKey }) => {
 *     await fetch('https://mail.example/receipts', { method: 'POST', headers: { 'idempotency-key': idempotencyKey }, body: JSON.stringify(payment.value) });
 *   }),
 * );
 * ```
 *
 * To look at records without calling anything, use {@link peek}.
 */
export function effect<R extends AnyRecord>(
  name: string,
  run: EffectFunction<R> | EffectOptions<R>,
): MonoTypeOperatorFunction<R> {
  const options: EffectOptions<R> = typeof run === 'function' ? { run } : run;
  return (source) =>
    currentDeclaring('effect').processor(
      {
        operator: 'effect',
        name,
        stores: [],
        keyed: false,
        ...whenGiven(options),
        asksOrigin: true,
        create: (context) => new Effect<R>(name, options, context),
      },
      [source],
    ) as unknown as ReturnType<MonoTypeOperatorFunction<R>>;
}

class Effect<R extends AnyRecord> implements Processor {
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
    this.#context.effect({
      id: `${this.#name}/${own}`,
      record,
      run: (idempotencyKey) => run(record as R, { idempotencyKey, position }),
    });
    this.#context.emit(record);
  }
}
