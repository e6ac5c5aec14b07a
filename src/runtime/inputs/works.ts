import type { OutsideWork } from '../../dsl/contract/processor.js';

/** What the operators of a task do outside of it. */
export class Works {
  readonly #works: OutsideWork[] = [];

  add(work: OutsideWork): void {
    this.#works.push(work);
  }

  get pending(): number {
    return this.#works.reduce((sum, { pending }) => sum + pending, 0);
  }

  get running(): number {
    return this.#works.reduce((sum, { running }) => sum + running, 0);
  }

  get isFull(): boolean {
    return this.#works.some(({ isFull }) => isFull);
  }

  get wantsCommit(): boolean {
    return this.#works.some(({ wantsCommit }) => wantsCommit);
  }

  get nextTurn(): number {
    return this.#works.reduce((next, work) => Math.min(next, work.nextTurn), Number.POSITIVE_INFINITY);
  }

  committed(): void {
    for (const work of this.#works) work.committed();
  }

  turn(now: number, mayBegin: boolean): void {
    for (const work of this.#works) work.turn(now, mayBegin);
  }

  close(): void {
    for (const work of this.#works) work.close();
  }
}
