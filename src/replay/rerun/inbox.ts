import type { BrokerRecord } from '../../broker/port.js';

/**
 * Records that wait for a task, each with the source record that caused it and that record's index in the
 * slice.
 */
export class WaitingRecords {
  readonly records: readonly BrokerRecord[];
  readonly #sources: readonly BrokerRecord[];
  readonly #indexes: readonly number[] | undefined;
  readonly #first: number;

  /** Without `indexes` the records are consecutive in the slice, beginning at index `first`. */
  constructor(
    records: readonly BrokerRecord[],
    sources: readonly BrokerRecord[],
    indexes: readonly number[] | undefined,
    first = 0,
  ) {
    this.records = records;
    this.#sources = sources;
    this.#indexes = indexes;
    this.#first = first;
  }

  indexOf(place: number): number {
    return this.#indexes === undefined ? this.#first + place : (this.#indexes[place] as number);
  }

  sourceOf(place: number): BrokerRecord {
    return this.#sources[place] as BrokerRecord;
  }
}

export const NOTHING_WAITS = new WaitingRecords([], [], undefined);

/** The records of one window that wait for a task. */
export class Inbox {
  /** A whole window, if no other records have come. */
  #window: WaitingRecords | undefined;
  #records: BrokerRecord[] = [];
  #indexes: number[] = [];
  #sources: BrokerRecord[] = [];
  #sorted = true;

  get isEmpty(): boolean {
    return this.#window === undefined && this.#records.length === 0;
  }

  add(record: BrokerRecord, index: number, source: BrokerRecord): void {
    if (this.#window !== undefined) this.#spread(this.#window);
    const last = this.#indexes.at(-1);
    if (last !== undefined && last > index) this.#sorted = false;
    this.#records.push(record);
    this.#indexes.push(index);
    this.#sources.push(source);
  }

  /** Adds all records of a window; its first record has the index `first` in the slice. Copies nothing. */
  addWindow(records: readonly BrokerRecord[], first: number): void {
    this.#window = new WaitingRecords(records, records, undefined, first);
  }

  /**
   * Takes everything, in the order of causes; records with the same cause keep the order in which they were
   * added.
   */
  take(): WaitingRecords {
    if (this.#window !== undefined) {
      const window = this.#window;
      this.#window = undefined;
      return window;
    }
    const [records, indexes, sources, sorted] = [this.#records, this.#indexes, this.#sources, this.#sorted];
    this.#records = [];
    this.#indexes = [];
    this.#sources = [];
    this.#sorted = true;
    if (sorted) return new WaitingRecords(records, sources, indexes);
    const order = indexes.map((_, i) => i).sort((a, b) => (indexes[a] as number) - (indexes[b] as number) || a - b);
    return new WaitingRecords(
      order.map((i) => records[i] as BrokerRecord),
      order.map((i) => sources[i] as BrokerRecord),
      order.map((i) => indexes[i] as number),
    );
  }

  #spread(window: WaitingRecords): void {
    this.#window = undefined;
    for (const [i, record] of window.records.entries()) this.add(record, window.indexOf(i), record);
  }
}
