import type { BrokerRecord } from '../broker/port.js';

/** Records that wait for a task, each with the record of the slice that caused it and that one's place in the slice. */
export interface Waiting {
  readonly records: readonly BrokerRecord[];
  readonly indexes: readonly number[];
  readonly sources: readonly BrokerRecord[];
}

/** The records of one window that wait for a task. */
export class Inbox {
  #records: BrokerRecord[] = [];
  #indexes: number[] = [];
  #sources: BrokerRecord[] = [];
  #sorted = true;

  get isEmpty(): boolean {
    return this.#records.length === 0;
  }

  add(record: BrokerRecord, index: number, source: BrokerRecord): void {
    const last = this.#indexes.at(-1);
    if (last !== undefined && last > index) this.#sorted = false;
    this.#records.push(record);
    this.#indexes.push(index);
    this.#sources.push(source);
  }

  /** Takes everything, in the order of causes; what has the same cause stays in the order in which it was added. */
  take(): Waiting {
    const waiting = { records: this.#records, indexes: this.#indexes, sources: this.#sources };
    const sorted = this.#sorted;
    this.#records = [];
    this.#indexes = [];
    this.#sources = [];
    this.#sorted = true;
    if (sorted) return waiting;
    const { records, indexes, sources } = waiting;
    const order = indexes.map((_, i) => i).sort((a, b) => (indexes[a] as number) - (indexes[b] as number) || a - b);
    return {
      records: order.map((i) => records[i] as BrokerRecord),
      indexes: order.map((i) => indexes[i] as number),
      sources: order.map((i) => sources[i] as BrokerRecord),
    };
  }
}
