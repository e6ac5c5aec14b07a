import type { DatabaseWrite } from '../../model/database.js';
import type { ExpiryIndex } from './expiry.js';

/**
 * The rows that one commit, or one batch of a restore, adds to an {@link ExpiryIndex}. They become one entry,
 * which expires with its youngest row.
 */
export class BornRows {
  readonly #index: ExpiryIndex;
  readonly #keys: Buffer[] = [];
  #youngest = Number.NEGATIVE_INFINITY;

  constructor(index: ExpiryIndex) {
    this.#index = index;
  }

  add(key: Buffer, bornAt: number): void {
    this.#keys.push(key);
    this.#youngest = Math.max(this.#youngest, bornAt);
  }

  write(writes: DatabaseWrite[]): void {
    this.#index.add(this.#keys, this.#youngest, writes);
  }
}
