import { StreamsError } from '../../model/errors.js';
import type { Change } from '../../model/record.js';
import { checkEncodes } from '../../serdes/check.js';
import type { Serde } from '../../serdes/serde.js';
import type { OperatorStore } from '../../state/contract.js';
import { writableOrNone } from '../tables/row-function.js';
import { type Due, DueQueue } from './due-queue.js';
import { Pending, sizeOf } from './pending.js';

/** How much may wait, and what happens when more does. */
export interface Bounds {
  readonly maxRecords: number;
  readonly maxBytes: number;
  readonly whenFull: 'emitEarly' | 'fail';
}

const DUE_BYTES = 8;

/** Changes of a table that are held back until they are due, one for each key: a queue with bounds. */
export class HeldChanges<K, V> {
  readonly #rows: OperatorStore<Due<K>, Pending<V>>;
  readonly #queue: DueQueue<K, Pending<V>>;
  readonly #serdes: { readonly key: Serde<K>; readonly value: Serde<V> };
  readonly #bounds: Bounds;
  readonly #counts: boolean;
  readonly #measures: boolean;
  readonly #give: (key: K, pending: Pending<V>) => void;
  #records = 0;
  #bytes = 0;

  /** `give`: called with what leaves, in order. */
  constructor(options: {
    readonly rows: OperatorStore<Due<K>, Pending<V>>;
    readonly serdes: { readonly key: Serde<K>; readonly value: Serde<V> };
    readonly bounds: Bounds;
    readonly give: (key: K, pending: Pending<V>) => void;
    /** How many of the first ones are in memory; tests set it. */
    readonly limit?: number;
  }) {
    const { rows, serdes, bounds, give, limit } = options;
    this.#rows = rows;
    this.#serdes = serdes;
    this.#queue = limit === undefined ? new DueQueue(rows, serdes.key) : new DueQueue(rows, serdes.key, limit);
    this.#bounds = bounds;
    this.#measures = Number.isFinite(bounds.maxBytes);
    this.#counts = this.#measures || Number.isFinite(bounds.maxRecords);
    this.#give = give;
  }

  /** With a bound, what waits is counted: it is read once, and is no more than the bound allows. */
  async start(): Promise<void> {
    if (this.#counts) {
      for await (const [{ key }, pending] of this.#rows.entries()) {
        this.#records++;
        this.#bytes += this.sizeOf(key, pending);
      }
    }
    await this.#queue.start();
  }

  /** What is to wait for a change: `before` is what waits already. Throws if it cannot be kept. */
  pendingOf(change: Change<K, V>, before: { readonly previous: V | null } | null): Pending<V> {
    const { value, timestamp, headers } = change;
    if (value !== null) checkEncodes(this.#serdes.value, value);
    // What was given out last is what the first change that waits replaced: before it, nothing waited.
    // What a row was before is no fault of the change: a value that cannot be kept has come from nobody here.
    const previous = before ? before.previous : writableOrNone(this.#serdes.value, change.previous ?? null);
    return new Pending(value, previous, timestamp, headers);
  }

  /** What a change counts among `maxBytes`: key and row as they are written. Zero without that bound. */
  sizeOf(key: K, pending: Pending<V>): number {
    if (!this.#measures) return 0;
    return DUE_BYTES + this.#serdes.key.encode(key).length + sizeOf(pending, this.#serdes.value);
  }

  /** Adds the change of a key that does not wait. */
  add(row: Due<K>, pending: Pending<V>, size: number): void {
    this.#queue.addRow(row, pending, pending.timestamp);
    this.#records++;
    this.#bytes += size;
  }

  /** Replaces the change of a key that waits. */
  replace(row: Due<K>, pending: Pending<V>, size: number, sizeBefore: number): void {
    this.#queue.replaceRow(row, pending, pending.timestamp);
    this.#bytes += size - sizeBefore;
  }

  /** Takes out the change of a key that waits, and gives it to nobody. */
  remove(row: Due<K>, size: number): void {
    this.#queue.removeRow(row);
    this.#records--;
    this.#bytes -= size;
  }

  /**
   * Gives out what is due at `until`, and then what is too much. A promise only if it has to be read from the
   * store.
   */
  release(until: number): void | Promise<void> {
    const pending = this.#queue.take(until, this.#taken);
    return pending ? pending.then(() => this.#shrink()) : this.#shrink();
  }

  #shrink(): void | Promise<void> {
    const { maxRecords, maxBytes, whenFull } = this.#bounds;
    while (this.#records > maxRecords || this.#bytes > maxBytes) {
      if (whenFull === 'fail') throw this.#full();
      const pending = this.#queue.takeFirst(this.#taken);
      if (pending) return pending.then(() => this.#shrink());
    }
  }

  readonly #taken = (key: K, pending: Pending<V>): void => {
    this.#records--;
    this.#bytes -= this.sizeOf(key, pending);
    this.#give(key, pending);
  };

  #full(): StreamsError {
    const { maxRecords, maxBytes } = this.#bounds;
    const many = this.#records > maxRecords;
    return new StreamsError('SUPPRESS_BUFFER_FULL', {
      what: 'more rows wait than the buffer may hold',
      at: `suppress ${this.#rows.name}`,
      saw: many ? `${this.#records} rows` : `${this.#bytes} bytes`,
      expected: many ? `at most maxRecords = ${maxRecords}` : `at most maxBytes = ${maxBytes}`,
      action:
        'Raise the bound or leave it out (the buffer lies in a store), let less wait (a shorter grace or time limit), or set whenFull to emitEarly where that is possible.',
    });
  }
}
