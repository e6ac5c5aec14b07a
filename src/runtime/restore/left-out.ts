/**
 * The rows of a changelog with a last record that a restore has left out. The next commit logs them again, so
 * that the changelog does not end with the record that was left out. Until then, the state must count as
 * ending before them.
 */
export class LeftOut {
  readonly #keys = new Set<string>();
  /** Offset of the first record left out. */
  #from = Number.POSITIVE_INFINITY;

  leave(key: Buffer, offset: number): void {
    this.#from = Math.min(this.#from, offset);
    this.#keys.add(textOf(key));
  }

  /** A later record of the row was restored. */
  take(key: Buffer): void {
    if (this.#keys.size === 0) return;
    this.#keys.delete(textOf(key));
    if (this.#keys.size === 0) this.#from = Number.POSITIVE_INFINITY;
  }

  get keys(): readonly Buffer[] {
    return Array.from(this.#keys, (text) => Buffer.from(text, 'latin1'));
  }

  /** The offset up to which no row of the state has to be logged again. */
  position(offset: number): number {
    return Math.min(offset, this.#from);
  }
}

/** One character for each byte. */
const textOf = (key: Buffer): string => key.toString('latin1');
