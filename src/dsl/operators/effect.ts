import type { MonoTypeOperatorFunction } from 'rxjs';
import type { SourcePosition } from '../../model/record.js';
import type { Processor, ProcessorContext } from '../processor.js';
import type { AnyRecord } from '../push.js';
import { currentDeclaring } from './attach.js';
import { checkedId, type Id, idText } from './ids.js';

/** What the function of an effect is told besides the record. */
export interface EffectContext {
  /**
   * The same whenever the record is processed again, and another for every other record, timer and
   * application: give it to the service that you call, so that it does nothing the second time.
   */
  readonly idempotencyKey: string;
  /** Where the record that caused it stands. */
  readonly position: SourcePosition;
}

export type EffectFunction<R> = (record: R, context: EffectContext) => void | Promise<void>;

export interface EffectOptions<R> {
  readonly run: EffectFunction<R>;
  /**
   * What makes the record the one that it is: an event id. Default: the way that it came. PROCESS_FAILED if
   * it returns nothing, or a number above 2^53 − 1. In the key a number has `#` before it: 5 is not "5".
   */
  readonly id?: (record: R) => Id;
}

/**
 * Calls the outside world for each record: a mail, a payment, a webhook. The record itself passes on at once;
 * what is behind does not wait for the call.
 *
 * Live, calls run one after the other in the order of their records, once the batch is processed and before
 * its offsets are committed: nothing is committed whose call has not succeeded. After a crash in between the
 * call is made again, under the same idempotency key: `<application>/<name>/<id>`, or without an `id`
 * `<application>/<name>/<topic>-<partition>@<offset>`, the position of the source record. What stands behind
 * it tells further records that it causes: `#1`, `#2` … of those that plain operators make, and the operators
 * on the way, `>count totals`. Behind a repartition the way goes on, so a copy that a crash has left in the
 * topic has the same key. What a timer emits has a key made of the timer's interval and the moment that was
 * due, which does not come again after a restart. When the past is run again (or with the option `effects:
 * 'silent'`) nothing is called, and each call that would have been is counted (`silenced`).
 *
 * No state. Cost: the task waits for each call. A call that throws goes the way of `onError.process`
 * (PROCESS_FAILED): retry it there; under `skip` and `deadLetter` it counts as done. Give it a time limit of
 * its own: a call that never ends holds its task up for ever.
 *
 * ```ts
 * payments.pipe(
 *   effect('receipts', async (payment, { idempotencyKey }) => {
 *     await fetch('https://mail.example/receipts', { method: 'POST', headers: { 'idempotency-key': idempotencyKey }, body: JSON.stringify(payment.value) });
 *   }),
 * );
 * ```
 *
 * To look at records without calling anything, {@link peek}.
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
