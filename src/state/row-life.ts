import type { StoreSpec } from './contract.js';

/** How long the rows of a store live, in its own stream time. */
export class RowLife<K> {
  readonly #ttlMs: number | undefined;
  readonly #bornAt: ((key: K) => number) | undefined;

  constructor({ ttlMs, bornAt }: StoreSpec<K, unknown>) {
    this.#ttlMs = ttlMs;
    this.#bornAt = bornAt;
  }

  /** A row's life is that of its key, or has no end: writing it again changes nothing. */
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
