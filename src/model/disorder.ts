import type { Random } from './ports.js';

export interface DisorderOptions {
  /** Share of items that are delivered twice, from 0 to 1. Default 0. */
  readonly duplicate?: number;
  /**
   * The maximum distance of an item's first delivery from its original place among first deliveries. Default
   * 0: all stay in order.
   */
  readonly shuffle?: number;
  /** A second delivery comes after the first, at most about this many items later. Default 100. */
  readonly duplicateWithin?: number;
  readonly random: Random;
}

export interface Disordered<T> {
  readonly item: T;
  /** Index of the item in the input, from 0. */
  readonly index: number;
  /** Whether the item was delivered before. */
  readonly copy: boolean;
}

interface Waiting<T> extends Disordered<T> {
  readonly place: number;
}

/**
 * Delivers items like an unreliable network: some twice, some out of order. Every item is delivered at least
 * once, and a copy never comes before its original.
 *
 * The result depends only on the number and order of the items, the options and the random numbers: the same
 * seed gives the same deliveries. Each item draws three numbers, whatever the options. Memory: the items of a
 * window of `shuffle` places, and the copies of one of `shuffle + duplicateWithin`. Cost: O(log n)
 * comparisons per item.
 */
export class Disorder<T> {
  readonly #options: Required<DisorderOptions>;
  /** The deliveries to come, the next one last. */
  readonly #waiting: Waiting<T>[] = [];
  #index = 0;

  constructor(options: DisorderOptions) {
    this.#options = { duplicate: 0, shuffle: 0, duplicateWithin: 100, ...options };
  }

  /** Takes the next item; returns the deliveries that are now due. */
  push(item: T): Disordered<T>[] {
    const { duplicate, shuffle, duplicateWithin, random } = this.#options;
    const index = this.#index++;
    // All numbers are drawn even if nothing is moved. The offset is below `shuffle + 1`: an item that many
    // places later can still come first, the next one cannot.
    const moved = random() * (shuffle + 1);
    const place = shuffle === 0 ? index : index + moved;
    const again = random() < duplicate;
    const later = random() * duplicateWithin;
    this.#insert({ item, index, copy: false, place });
    if (again) this.#insert({ item, index, copy: true, place: place + later });
    return this.#before(index + 1);
  }

  /** Ends the input and returns the remaining deliveries. */
  end(): Disordered<T>[] {
    return this.#before(Number.POSITIVE_INFINITY);
  }

  #before(place: number): Disordered<T>[] {
    const ready: Disordered<T>[] = [];
    for (let last = this.#waiting.at(-1); last !== undefined && last.place < place; last = this.#waiting.at(-1)) {
      this.#waiting.pop();
      ready.push({ item: last.item, index: last.index, copy: last.copy });
    }
    return ready;
  }

  /**
   * Inserts before all entries with a lower or equal place: of equal places the first inserted comes out
   * first.
   */
  #insert(entry: Waiting<T>): void {
    let low = 0;
    let high = this.#waiting.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#waiting[middle] as Waiting<T>).place <= entry.place) high = middle;
      else low = middle + 1;
    }
    this.#waiting.splice(low, 0, entry);
  }
}

/**
 * Delivers the items like an unreliable network, in sequence: some twice, some out of order. The same seed
 * gives the same deliveries.
 *
 * ```ts
 * [...disorder(['a', 'b'], { duplicate: 1, random: seededRandom(7) })]; // 'a' and 'b' twice each, the originals in order
 * ```
 */
export function* disorder<T>(items: Iterable<T>, options: DisorderOptions): Generator<Disordered<T>> {
  const deliveries = new Disorder<T>(options);
  for (const item of items) yield* deliveries.push(item);
  yield* deliveries.end();
}
