import type { PartitionOffset } from '../../broker/port.js';
import type { ChangeCause } from './change-log.js';
import { type Epoch, epochsOf, overtakenFrom } from './epochs.js';

/**
 * Detects records of a task's changelogs that an owner wrote after a later owner had replaced it (see
 * epochs.ts). It gets the records of each changelog in their order. Either of these is enough:
 *
 * - A record of a later epoch comes before it: its writer was no longer the owner.
 * - Its cause is at or after the offset at which a later epoch began: its commit never finished.
 */
export class Overtaken {
  readonly #epochs: ReadonlyMap<string, readonly Epoch[]>;
  readonly #newest: Map<string, number>;

  /** @param newest The epoch of each store's changelog, up to where it was read before. */
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

  /** Whether the next record of a store's changelog has such a writer. */
  has(store: string, { topic, offset, epoch }: ChangeCause): boolean {
    // Written by an older version, or under exactly_once: it has no epoch.
    if (epoch === 0) return false;
    const newest = this.#newest.get(store) ?? 0;
    if (epoch < newest) return true;
    if (epoch > newest) this.#newest.set(store, epoch);
    return offset >= overtakenFrom(this.#epochs.get(topic) ?? [], epoch);
  }
}
