import type { PartitionOffset } from '../broker/port.js';
import type { ChangeCause } from './change-log.js';
import { type Epoch, epochsOf, overtakenFrom } from './epochs.js';

/**
 * Tells which records of a task's changelogs were written by an owner that another one had overtaken (see
 * epochs.ts), given the records of each changelog in their order. Two things show it, each alone:
 *
 * - a record of a later epoch stands before it: its writer was not the owner any more;
 * - its cause lies at or past the offset where a later epoch began: its commit was never finished.
 */
export class Overtaken {
  readonly #epochs: ReadonlyMap<string, readonly Epoch[]>;
  readonly #newest: Map<string, number>;

  /** `newest`: the epoch of each store's changelog up to where it was read before. */
  constructor(committed: readonly PartitionOffset[], newest: Readonly<Record<string, number>> = {}) {
    this.#epochs = new Map(committed.map((at) => [at.topic, epochsOf(at)]));
    this.#newest = new Map(Object.entries(newest));
  }

  /** The newest epoch of each changelog, as far as it was read. */
  get newest(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#newest);
  }

  get highest(): number {
    return Math.max(0, ...this.#newest.values());
  }

  /** Whether the next record of a store's changelog is one. */
  has(store: string, { topic, offset, epoch }: ChangeCause): boolean {
    // Of an older version, or under exactly_once: it has none.
    if (epoch === 0) return false;
    const newest = this.#newest.get(store) ?? 0;
    if (epoch < newest) return true;
    if (epoch > newest) this.#newest.set(store, epoch);
    return offset >= overtakenFrom(this.#epochs.get(topic) ?? [], epoch);
  }
}
