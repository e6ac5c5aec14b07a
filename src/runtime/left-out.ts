/**
 * The rows of a changelog whose last record was left out of a restore. They are logged again with the next
 * commit, so that what was left out is not the last word of the changelog; until then the state must be taken
 * to end before them.
 */
export class LeftOut {
  readonly #keys = new Set<string>();
  /** Offset of the first record left out. */
  #from = Number.POSITIVE_INFINITY;

  leave(key: Buffer, offset: number): void {
    this.#from = Math.min(this.#from, offset);
    this.#keys.add(textOf(key));
  }

  /** A later record of the row was taken. */
  take(key: Buffer): void {
    if (this.#keys.size === 0) return;
    this.#keys.delete(textOf(key));
    if (this.#keys.size === 0) this.#from = Number.POSITIVE_INFINITY;
  }

  get keys(): readonly Buffer[] {
    return Array.from(this.#keys, (text) => Buffer.from(text, 'latin1'));
  }

  /** Up to where the state is one that needs no row to be logged again. */
  position(offset: number): number {
    return Math.min(offset, this.#from);
  }
}

/** One character a byte. */
const textOf = (key: Buffer): string => key.toString('latin1');
