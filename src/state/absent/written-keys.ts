import { KeyFilter } from './key-filter.js';

/**
 * All keys that were written to a store that began empty: a new key then needs no lookup on disk. A deleted
 * key still counts as written. Cost: that of a {@link KeyFilter}.
 */
export class WrittenKeys {
  readonly #filter = new KeyFilter();

  note(key: Uint8Array): void {
    // A row that is written again would otherwise be added twice.
    if (!this.#filter.mayHold(key)) this.#filter.add(key);
  }

  /** False: there is no row with that key on disk. */
  mayHold(key: Uint8Array): boolean {
    return this.#filter.mayHold(key);
  }
}
