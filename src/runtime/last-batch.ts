import type { BrokerRecord } from '../broker/port.js';
import type { Clock } from '../model/ports.js';

/** Where a batch keeps the process busy: told at the beginning of each step. */
export interface BatchSteps {
  step(name: string): void;
  /** From here to the next step others are at work: however long that is, it is not this batch. */
  waits(): void;
}

/**
 * The last batch of a task that had records, which may still be at work: told to whoever asks why a process
 * was too busy for its heartbeats.
 */
export class LastBatch implements BatchSteps {
  readonly #clock: Clock;
  #records = 0;
  #where = 'nowhere';
  #began = 0;
  #ended: number | undefined = 0;
  #step = { name: '', began: 0 };
  #slowest = { step: '', ms: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  began(records: readonly BrokerRecord[]): void {
    const { topic, partition, offset } = records.at(-1) as BrokerRecord;
    this.#records = records.length;
    this.#where = `${topic}[${partition}]@${offset}`;
    this.#began = this.#clock.monotonic();
    this.#ended = undefined;
    this.#slowest = { step: '', ms: 0 };
    this.#step = { name: '', began: this.#began };
  }

  step(name: string): void {
    const now = this.#clock.monotonic();
    this.#slowest = this.#slowestAt(now);
    this.#step = { name, began: now };
  }

  waits(): void {
    this.step('');
    this.#step.began = Number.POSITIVE_INFINITY;
  }

  ended(): void {
    this.#ended = this.#clock.monotonic();
    this.#slowest = this.#slowestAt(this.#ended);
  }

  /** `100 records up to orders[0]@41 in effect receipts`: the step is the one that took longest. */
  get text(): string {
    const { records, where, slowest } = this.facts;
    return `${records} records up to ${where}${slowest.step === '' ? '' : ` in ${slowest.step}`}`;
  }

  /**
   * How many records, where the last of them stood, how long they have taken, and how long the step that took
   * longest was at work.
   */
  get facts(): {
    readonly records: number;
    readonly where: string;
    readonly ms: number;
    readonly slowest: { readonly step: string; readonly ms: number };
  } {
    const now = this.#ended ?? this.#clock.monotonic();
    const slowest = this.#ended === undefined ? this.#slowestAt(now) : this.#slowest;
    return { records: this.#records, where: this.#where, ms: now - this.#began, slowest };
  }

  #slowestAt(now: number): { step: string; ms: number } {
    const ms = now - this.#step.began;
    return ms > this.#slowest.ms ? { step: this.#step.name, ms } : this.#slowest;
  }
}
