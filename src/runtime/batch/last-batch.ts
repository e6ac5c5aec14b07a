import type { BrokerRecord } from '../../broker/port.js';
import type { Clock } from '../../model/ports.js';

/** Follows how a batch keeps the process busy: it enters one phase after the other. */
export interface BatchPhases {
  enter(name: string): void;
  /** From here to the next phase, the batch waits for others; this time does not count as its own. */
  waits(): void;
}

/**
 * The last batch of a task that had records; it may still be running. Used to report why a process was too
 * busy for its heartbeats.
 */
export class LastBatch implements BatchPhases {
  readonly #clock: Clock;
  #records = 0;
  #where = 'nowhere';
  #began = 0;
  #ended: number | undefined = 0;
  #phase = { name: '', began: 0 };
  #slowest = { phase: '', ms: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  began(records: readonly BrokerRecord[]): void {
    const { topic, partition, offset } = records.at(-1) as BrokerRecord;
    this.#records = records.length;
    this.#where = `${topic}[${partition}]@${offset}`;
    this.#began = this.#clock.monotonic();
    this.#ended = undefined;
    this.#slowest = { phase: '', ms: 0 };
    this.#phase = { name: '', began: this.#began };
  }

  enter(name: string): void {
    const now = this.#clock.monotonic();
    this.#slowest = this.#slowestAt(now);
    this.#phase = { name, began: now };
  }

  waits(): void {
    this.enter('');
    this.#phase.began = Number.POSITIVE_INFINITY;
  }

  ended(): void {
    this.#ended = this.#clock.monotonic();
    this.#slowest = this.#slowestAt(this.#ended);
  }

  /** `100 records up to orders[0]@41 in effect receipts`: the last part is the longest phase. */
  get text(): string {
    const { records, where, slowest } = this.facts;
    return `${records} records up to ${where}${slowest.phase === '' ? '' : ` in ${slowest.phase}`}`;
  }

  /**
   * The number of records, the position of the last one, the time taken, and the longest phase with its time.
   */
  get facts(): {
    readonly records: number;
    readonly where: string;
    readonly ms: number;
    readonly slowest: { readonly phase: string; readonly ms: number };
  } {
    const now = this.#ended ?? this.#clock.monotonic();
    const slowest = this.#ended === undefined ? this.#slowestAt(now) : this.#slowest;
    return { records: this.#records, where: this.#where, ms: now - this.#began, slowest };
  }

  #slowestAt(now: number): { phase: string; ms: number } {
    const ms = now - this.#phase.began;
    return ms > this.#slowest.ms ? { phase: this.#phase.name, ms } : this.#slowest;
  }
}
