import type { BrokerRecord } from '../broker/port.js';
import type { Clock } from '../model/ports.js';

/** The last batch of a task that had records, which may still be at work: told to whoever asks why a process was too busy for its heartbeats. */
export class LastBatch {
  readonly #clock: Clock;
  #records = 0;
  #where = 'nowhere';
  #began = 0;
  #ended: number | undefined = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  began(records: readonly BrokerRecord[]): void {
    const { topic, partition, offset } = records.at(-1) as BrokerRecord;
    this.#records = records.length;
    this.#where = `${topic}[${partition}]@${offset}`;
    this.#began = this.#clock.monotonic();
    this.#ended = undefined;
  }

  ended(): void {
    this.#ended = this.#clock.monotonic();
  }

  /** How many records, where the last of them stood, and how long they have taken. */
  get facts(): { readonly records: number; readonly where: string; readonly ms: number } {
    const ended = this.#ended ?? this.#clock.monotonic();
    return { records: this.#records, where: this.#where, ms: ended - this.#began };
  }
}
