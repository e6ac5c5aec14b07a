import type { StoreSpec } from '../contract.js';

/** The lifetime of a store's rows, in the store's own stream time. */
export class RowLife<K> {
  readonly #ttlMs: number | undefined;
  readonly #bornAt: ((key: K) => number) | undefined;

  constructor({ ttlMs, bornAt }: StoreSpec<K, unknown>) {
    this.#ttlMs = ttlMs;
    this.#bornAt = bornAt;
  }

  /**
   * True if the key determines the lifetime, or rows never expire: writing a row again then changes nothing.
   */
  get fixed(): boolean {
    return this.#bornAt !== undefined || this.#ttlMs === undefined;
  }

  bornAt(key: K, timestamp: number): number {
    return this.#bornAt === undefined ? timestamp : this.#bornAt(key);
  }

  isOver(key: K, timestamp: number, streamTime: number): boolean {
    return this.#ttlMs !== undefined && this.bornAt(key, timestamp) + this.#ttlMs < streamTime;
  }
}
