import type { BrokerRecord, ProducerRecord } from '../../broker/port.js';
import type { SourcePosition } from '../../model/record.js';
import type { EffectCall, EffectGate } from '../config/effect-gate.js';
import type { StopLimit } from '../config/stop-limit.js';
import { SOURCE_HEADER, sourceToCarry } from '../inputs/reached.js';
import { ORIGIN_HEADER, originToCarry } from '../record/origin.js';
import { Outbox, type OutboxItem, type Outgoing } from '../record/outbox.js';
import type { RecordContext } from '../record/record-context.js';
import { Effects } from './effects.js';
import { type FailureHandler, isFatal } from './failures.js';
import { type Carrying, type ProduceContext, produce, withoutRow } from './produce.js';
import { asLetter, OutputOrigin } from './refusals.js';
import type { Reprocessing } from './reprocessing.js';

const NOTHING: Carrying = [];

export interface SendingOptions {
  readonly failures: FailureHandler;
  readonly effects: EffectGate;
  /** The state of a reset, if sources are processed a second time. */
  readonly again?: Reprocessing | undefined;
  readonly produce: ProduceContext;
  /** Without it, every batch may finish. */
  readonly stop?: StopLimit | undefined;
  /**
   * Whether records carry their origin, for a policy that needs it if the broker refuses them. Default: no.
   */
  readonly knowsOrigins?: boolean;
}

/**
 * The end of a batch: it makes the calls to the outside world and encodes the records to write, each in the
 * order of their causes.
 */
export class Sending {
  readonly outbox = new Outbox();
  readonly effects = new Effects();
  readonly #recordContext: RecordContext;
  readonly #options: SendingOptions;
  /** Whether outputs carry their origin: not needed if a refusal ends the application. */
  readonly #origins: boolean;

  constructor(recordContext: RecordContext, options: SendingOptions) {
    this.#recordContext = recordContext;
    this.#options = options;
    this.#origins = options.knowsOrigins === true && options.failures.mayContinue('produce');
  }

  /**
   * Queues a finished record.
   *
   * @param push The push that brought it.
   */
  send(node: string, outgoing: Outgoing, index: number, push = 0): void {
    this.outbox.add({ ...outgoing, node, place: this.#recordContext.place(index), push } as OutboxItem);
  }

  /** A source record; before a commit without records, the position of the last one. */
  sourceOf(index: number): BrokerRecord | SourcePosition {
    return this.#recordContext.batch.records[index] ?? this.#recordContext.position;
  }

  /** Whether a call may be made. */
  allows(call: EffectCall): boolean {
    return this.#options.effects(call);
  }

  async finish(): Promise<ProducerRecord[]> {
    const { failures, produce: context } = this.#options;
    const produced: ProducerRecord[] = [];
    this.#recordContext.endProcessing();
    // Before the outbox is drained: a call that fails may become a dead letter.
    if (this.effects.any) await this.#call(produced);
    // A record that cannot be encoded may become a dead letter, which is then sent, too.
    for (let items = this.outbox.drain(); items.length > 0; items = this.outbox.drain()) {
      for (const item of items) {
        this.#recordContext.index = item.place.index;
        try {
          const made = produce(item, context, this.#carriedBy(item));
          const record = made instanceof Promise ? await made : made;
          if (record) this.#take(item, record, produced);
          else failures.count(item.node, 'null-key');
        } catch (error) {
          await this.#produceAgain(item, error, produced);
        }
      }
    }
    this.#recordContext.endBatch();
    return produced;
  }

  /** The headers that a record of a repartition topic carries. */
  #carriedBy(item: OutboxItem): Carrying {
    if (item.kind !== 'repartition' || !(item.carries.origin || item.carries.source)) return NOTHING;
    const { origin, source } = item.carries;
    const cause = this.#recordContext.batch.records[item.place.index];
    return [
      ...(origin ? [[ORIGIN_HEADER, originToCarry(item.place, this.#recordContext.rootOf)] as const] : []),
      ...(source && cause
        ? [[SOURCE_HEADER, sourceToCarry(cause, this.#recordContext.isInternal(cause))] as const]
        : []),
    ];
  }

  async #produceAgain(item: OutboxItem, error: unknown, produced: ProducerRecord[]): Promise<void> {
    const { failures, produce: context } = this.#options;
    const { index } = item.place;
    // A topic that a record has chosen concerns this record alone.
    const ownTopic = item.kind === 'sink' && typeof item.sink.topic === 'function';
    const failure = { node: item.node, error, source: this.sourceOf(index), ownTopic };
    const givenUp = await failures.handle('produce', failure, this.#deadLetter(index), async () => {
      const record = await produce(item, context, this.#carriedBy(item));
      if (record) this.#take(item, record, produced);
    });
    const rest = givenUp ? withoutRow(item) : undefined;
    if (rest === undefined) return;
    try {
      const record = await produce(rest, context, this.#carriedBy(item));
      if (record) this.#take(rest, record, produced);
    } catch (thrown) {
      // The key cannot be encoded, or its partition does not exist: that was already reported.
      if (isFatal(thrown)) throw thrown;
    }
  }

  /**
   * Takes an encoded record, either as it is or changed by a reset while records are processed a second time.
   */
  #take(item: OutboxItem, record: ProducerRecord, produced: ProducerRecord[]): void {
    const { again, failures } = this.#options;
    const outgoing =
      again === undefined ? record : again.outgoing(item, record, this.#recordContext.batch.records[item.place.index]);
    if (outgoing) produced.push(this.#origins || item.kind === 'raw' ? this.#withOrigin(item, outgoing) : outgoing);
    else failures.count(item.node, 'silenced');
  }

  #withOrigin({ kind, node, place }: OutboxItem, record: ProducerRecord): ProducerRecord {
    if (!this.#options.knowsOrigins) return record;
    return kind === 'raw'
      ? asLetter(record)
      : { ...record, origin: new OutputOrigin(node, this.sourceOf(place.index)) };
  }

  async #call(produced: ProducerRecord[]): Promise<void> {
    const { again, effects: gate, failures, stop } = this.#options;
    for (const effect of this.effects.drain()) {
      const { node, place } = effect;
      this.#recordContext.index = place.index;
      const mode = again?.modeOf(this.#recordContext.batch.records[place.index]) ?? 'live';
      const made = mode === 'live' && gate(effect);
      failures.count(node, made ? 'called' : 'silenced');
      if (again && mode === 'capture') produced.push(again.capturedCall(effect));
      if (!made) continue;
      stop?.check();
      try {
        await effect.run();
      } catch (error) {
        const failure = { node, error, source: this.sourceOf(place.index) };
        await failures.handle('process', failure, this.#deadLetter(place.index), () => effect.run());
      }
    }
  }

  #deadLetter(index: number): (outgoing: Outgoing, node: string) => void {
    return (outgoing, node) => this.send(node, outgoing, index);
  }
}
