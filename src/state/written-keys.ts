import { KeyFilter } from './key-filter.js';

/**
 * Every key that was written to a store that was empty to begin with: a key that is wanted for the first time
 * then need not be looked for on the disk. A key counts for good, deleted or not. Cost: that of a
 * {@link KeyFilter}.
 */
export class WrittenKeys {
  readonly #filter = new KeyFilter();

  note(key: Uint8Array): void {
    // A row that comes back would be there twice.
    if (!this.#filter.mayHold(key)) this.#filter.add(key);
  }

  /** False: there is no row of that key on disk. */
  mayHold(key: Uint8Array): boolean {
    return this.#filter.mayHold(key);
  }
}
