import { containing } from '../../serdes/containing.js';
import type { Serde } from '../../serdes/serde.js';
import { readBound, writeBound } from '../../serdes/windowed.js';
import type { OperatorStore, StoreSpec } from '../../state/contract.js';

/** A due time and a key: together they are the key of a row. */
export interface Due<K> {
  readonly due: number;
  readonly key: K;
}

/** A row key made by the queue. It is encoded once, however often it is looked up. */
class DueRow<K> implements Due<K> {
  #bytes: Buffer | undefined;

  constructor(
    readonly due: number,
    readonly key: K,
  ) {}

  bytes(encode: (row: Due<K>) => Buffer): Buffer {
    this.#bytes ??= encode(this);
    return this.#bytes;
  }
}

/**
 * A row key, for callers that look rows up in the store themselves. Pass the same object to the queue again:
 * this is cheaper than a new one.
 */
export const dueRow = <K>(due: number, key: K): Due<K> => new DueRow(due, key);

interface Waiting<K, V> {
  readonly row: Due<K>;
  readonly bytes: Buffer;
  readonly value: V;
}

const DUE_BYTES = 8;
/** How many of the rows due first are kept in memory. */
const HEAD = 4_096;

/**
 * The store of a {@link DueQueue}. Its rows are in the order in which they are due, then in the order of the
 * bytes of their keys.
 */
export function dueStore<K, V>(name: string, key: Serde<K>, value: Serde<V>): StoreSpec<Due<K>, V> {
  return { name, kind: 'buffer', key: dueSerde(key), value };
}

/**
 * Holds values back until a moment of an operator's stream time, in the order in which they are due. Examples
 * are windows to close, and records that wait for a partner. The store keeps all of them, so a restart loses
 * nothing and memory is bounded. The few thousand that are due first are also in memory, so adding and taking
 * rarely read the disk. When they are used up, one scan reads the next ones.
 *
 * Cost per value: one row written and one deleted. If both happen within one commit, nothing reaches disk or
 * changelog. Memory: 4,096 values, or up to twice as many while values are added.
 */
export class DueQueue<K, V> {
  readonly #store: OperatorStore<Due<K>, V>;
  readonly #serde: Serde<Due<K>>;
  readonly #limit: number;
  /** The values due first, in order; those before `#at` were taken. */
  #head: Waiting<K, V>[] = [];
  #at = 0;
  /** Values after this one may be in the store only; undefined: all are in memory. */
  #bound: Waiting<K, V> | undefined;

  /**
   * `key`: the serde passed to {@link dueStore}. `limit`: how many values are kept in memory; tests set it.
   */
  constructor(store: OperatorStore<Due<K>, V>, key: Serde<K>, limit: number = HEAD) {
    this.#store = store;
    this.#serde = dueSerde(key);
    this.#limit = limit;
  }

  /** Must be called before anything else, when the stores are restored. */
  async start(): Promise<void> {
    await this.#refill(undefined);
  }

  /** Nothing is due before this moment; positive infinity if nothing waits. */
  get next(): number {
    return (this.#head[this.#at] ?? this.#bound)?.row.due ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Makes `next` exact: the due time of an existing value, not just a lower bound. Returns a promise only if
   * more had to be read from the store.
   */
  ready(): void | Promise<void> {
    if (this.#head[this.#at] === undefined && this.#bound !== undefined) return this.#refill(this.#bound);
  }

  /**
   * Adds a value; there must be none with the same due time and key. `timestamp` is the row's timestamp in
   * the changelog.
   */
  add(due: number, key: K, value: V, timestamp: number): void {
    this.addRow(dueRow(due, key), value, timestamp);
  }

  addRow(row: Due<K>, value: V, timestamp: number): void {
    this.#store.insert(row, value, timestamp);
    this.#place(row, value);
  }

  /** Replaces an existing value; its due time stays. */
  replace(due: number, key: K, value: V, timestamp: number): void {
    this.replaceRow(dueRow(due, key), value, timestamp);
  }

  replaceRow(row: Due<K>, value: V, timestamp: number): void {
    this.#store.put(row, value, timestamp);
    this.#place(row, value);
  }

  #place(row: Due<K>, value: V): void {
    const bound = this.#bound;
    if (bound && row.due > bound.row.due) return;
    const waiting = { row, bytes: this.#serde.encode(row), value };
    if (bound && waiting.bytes.compare(bound.bytes) > 0) return;
    const at = this.#placeOf(waiting);
    if (this.#head[at]?.bytes.equals(waiting.bytes)) this.#head[at] = waiting;
    else if (at === this.#head.length) this.#head.push(waiting);
    else this.#head.splice(at, 0, waiting);
    // The head may grow to twice the limit before it is cut. From then on, values added after the bound cost
    // no memory.
    if (this.#head.length - this.#at > 2 * this.#limit) {
      this.#head = this.#head.slice(this.#at, this.#at + this.#limit);
      this.#at = 0;
      this.#bound = this.#head.at(-1);
    }
  }

  /** Removes a value, if there is one. */
  remove(due: number, key: K): void {
    this.removeRow(dueRow(due, key));
  }

  removeRow(row: Due<K>): void {
    this.#store.delete(row);
    const bytes = this.#serde.encode(row);
    const at = this.#placeOf({ row, bytes });
    const found = this.#head[at];
    if (found?.bytes.equals(bytes)) this.#head.splice(at, 1);
  }

  /**
   * Shows the values due at `until` or before that are in memory, in order, and leaves them. Call `ready`
   * after values were removed: then it shows at least one, if there is any.
   *
   * Returns a moment before which nothing else is due; positive infinity if nothing else waits. If the moment
   * is not after `until`, more may be due that is only in the store. `ready` reads it once what was shown is
   * removed.
   */
  look(until: number, show: (key: K, due: number) => void): number {
    for (let at = this.#at; at < this.#head.length; at++) {
      const { row } = this.#head[at] as Waiting<K, V>;
      if (row.due > until) return row.due;
      show(row.key, row.due);
    }
    return this.#bound?.row.due ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Takes the values due at `until` or before, at most `limit`, and passes each to `show`, in order. Returns
   * a promise only if more had to be read from the store; wait for it before any other call.
   */
  take(
    until: number,
    show: (key: K, value: V, due: number) => void,
    limit: number = Number.POSITIVE_INFINITY,
  ): void | Promise<void> {
    for (let left = limit; left > 0; left--) {
      const first = this.#head[this.#at];
      if (first === undefined) {
        if (this.#bound === undefined || this.#bound.row.due > until) return;
        const more = left;
        return this.#refill(this.#bound).then(() => this.take(until, show, more));
      }
      if (first.row.due > until) return;
      this.#takeOut(first);
      show(first.row.key, first.value, first.row.due);
    }
  }

  /** Takes the first value, whenever it is due, if there is one: for a full buffer. */
  takeFirst(show: (key: K, value: V, due: number) => void): void | Promise<void> {
    const first = this.#head[this.#at];
    if (first === undefined) {
      if (this.#bound === undefined) return;
      return this.#refill(this.#bound).then(() => this.takeFirst(show));
    }
    this.#takeOut(first);
    show(first.row.key, first.value, first.row.due);
  }

  #takeOut(first: Waiting<K, V>): void {
    this.#store.delete(first.row);
    this.#at++;
    // The array is cut only now and then: each cut copies the rest of it.
    if (this.#at < this.#limit && this.#at < this.#head.length) return;
    this.#head = this.#head.slice(this.#at);
    this.#at = 0;
  }

  async #refill(behind: Waiting<K, V> | undefined): Promise<void> {
    const head: Waiting<K, V>[] = [];
    this.#bound = undefined;
    for await (const [row, value] of this.#store.entries(behind ? { from: behind.row } : {})) {
      head.push({ row, bytes: this.#serde.encode(row), value });
      if (head.length === this.#limit) {
        this.#bound = head.at(-1);
        break;
      }
    }
    this.#head = head;
    this.#at = 0;
  }

  /** The index in the head where a value is, or would be. */
  #placeOf(wanted: Pick<Waiting<K, V>, 'row' | 'bytes'>): number {
    let low = this.#at;
    let high = this.#head.length;
    // Most added values are due last.
    const last = this.#head[high - 1];
    if (last === undefined || low === high || isBefore(last, wanted)) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBefore(this.#head[middle] as Waiting<K, V>, wanted)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

type Place = Pick<Waiting<unknown, unknown>, 'row' | 'bytes'>;

/** The order of the encoded bytes, which begin with the due time: comparing numbers is cheaper. */
const isBefore = (a: Place, b: Place): boolean =>
  a.row.due === b.row.due ? a.bytes.compare(b.bytes) < 0 : a.row.due < b.row.due;

function dueSerde<K>(key: Serde<K>): Serde<Due<K>> {
  const encode = (row: Due<K>): Buffer => {
    const bytes = key.encode(row.key);
    const encoded = Buffer.allocUnsafe(DUE_BYTES + bytes.length);
    writeBound(encoded, row.due, 0);
    bytes.copy(encoded, DUE_BYTES);
    return encoded;
  };
  return containing(key, {
    name: `due(${key.name})`,
    encode: (row) => (row instanceof DueRow ? row.bytes(encode) : encode(row)),
    decode: (encoded) => dueRow(readBound(encoded, 0), key.decode(encoded.subarray(DUE_BYTES))),
  });
}
