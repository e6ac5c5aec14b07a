import type { LetterPosition } from './letter-id.js';

/** Offsets that are kept together: one bit each. */
const PAGE = 32_768;

/** Positions of letters, in a bit for each: a million take some hundred kilobytes. */
export class LetterSet implements Iterable<LetterPosition> {
  readonly #pages = new Map<number, Map<number, Uint32Array>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has({ partition, offset }: LetterPosition): boolean {
    const page = this.#pages.get(partition)?.get(Math.floor(offset / PAGE));
    return page !== undefined && ((page[(offset % PAGE) >>> 5] as number) & (1 << (offset % 32))) !== 0;
  }

  add({ partition, offset }: LetterPosition): void {
    const pages = this.#pages.get(partition) ?? new Map<number, Uint32Array>();
    this.#pages.set(partition, pages);
    const number = Math.floor(offset / PAGE);
    const page = pages.get(number) ?? new Uint32Array(PAGE / 32);
    pages.set(number, page);
    const [at, bit] = [(offset % PAGE) >>> 5, 1 << (offset % 32)];
    if ((page[at] as number) & bit) return;
    page[at] = (page[at] as number) | bit;
    this.#size++;
  }

  /** In the order of partitions and offsets. */
  *[Symbol.iterator](): Generator<LetterPosition> {
    const ascending = (a: number, b: number): number => a - b;
    for (const partition of [...this.#pages.keys()].sort(ascending)) {
      const pages = this.#pages.get(partition) as Map<number, Uint32Array>;
      for (const number of [...pages.keys()].sort(ascending)) {
        const page = pages.get(number) as Uint32Array;
        for (let i = 0; i < PAGE; i++)
          if ((page[i >>> 5] as number) & (1 << (i % 32))) yield { partition, offset: number * PAGE + i };
      }
    }
  }
}
