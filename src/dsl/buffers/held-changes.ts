import { StreamsError } from '../../model/errors.js';
import type { Change } from '../../model/record.js';
import { checkEncodes } from '../../serdes/check.js';
import type { Serde } from '../../serdes/serde.js';
import type { OperatorStore } from '../../state/contract.js';
import { writableOrNone } from '../pipelines/row-function.js';
import { type Due, DueQueue } from './due-queue.js';
import { Pending, sizeOf } from './pending.js';

/** How much may wait, and what happens when the limit is exceeded. */
export interface Bounds {
  readonly maxRecords: number;
  readonly maxBytes: number;
  readonly whenFull: 'emitEarly' | 'fail';
}

const DUE_BYTES = 8;

/** A bounded queue of table changes that are held back until they are due, one per key. */
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

  /** `give` is called with each change that leaves, in order. */
  constructor(options: {
    readonly rows: OperatorStore<Due<K>, Pending<V>>;
    readonly serdes: { readonly key: Serde<K>; readonly value: Serde<V> };
    readonly bounds: Bounds;
    readonly give: (key: K, pending: Pending<V>) => void;
    /** How many of the changes due first are in memory; tests set it. */
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

  /** With a limit, reads all waiting changes once to count them: they are no more than the limit allows. */
  async start(): Promise<void> {
    if (this.#counts) {
      for await (const [{ key }, pending] of this.#rows.entries()) {
        this.#records++;
        this.#bytes += this.sizeOf(key, pending);
      }
    }
    await this.#queue.start();
  }

  /**
   * Makes the waiting row for a change; `before` is the row that already waits. Throws if it cannot be
   * encoded.
   */
  pendingOf(change: Change<K, V>, before: { readonly previous: V | null } | null): Pending<V> {
    const { value, timestamp, headers } = change;
    if (value !== null) checkEncodes(this.#serdes.value, value);
    // The first waiting change replaced the value that was emitted last, since nothing waited before it. The
    // change is not to blame for its previous value: a value that cannot be encoded counts as none.
    const previous = before ? before.previous : writableOrNone(this.#serdes.value, change.previous ?? null);
    return new Pending(value, previous, timestamp, headers);
  }

  /** The size of a change for `maxBytes`: its encoded key and row. Zero without that limit. */
  sizeOf(key: K, pending: Pending<V>): number {
    if (!this.#measures) return 0;
    return DUE_BYTES + this.#serdes.key.encode(key).length + sizeOf(pending, this.#serdes.value);
  }

  /** Adds a change for a key without a waiting change. */
  add(row: Due<K>, pending: Pending<V>, size: number): void {
    this.#queue.addRow(row, pending, pending.timestamp);
    this.#records++;
    this.#bytes += size;
  }

  /** Replaces the waiting change of a key. */
  replace(row: Due<K>, pending: Pending<V>, size: number, sizeBefore: number): void {
    this.#queue.replaceRow(row, pending, pending.timestamp);
    this.#bytes += size - sizeBefore;
  }

  /** Removes the waiting change of a key, without emitting it. */
  remove(row: Due<K>, size: number): void {
    this.#queue.removeRow(row);
    this.#records--;
    this.#bytes -= size;
  }

  /**
   * Emits the changes due at `until` or before, and then the excess. Returns a promise only if changes have
   * to be read from the store.
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
        'Raise the limit or leave it out (the buffer is in a store), hold back less (a shorter grace or time limit), or set whenFull to emitEarly where that is possible.',
    });
  }
}
