import type { DatabaseWrite } from '../model/database.js';
import type { CachedRow } from './cached-row.js';
import type { OverlayRow } from './merged-scan.js';
import type { RowCodec } from './row-codec.js';

/**
 * The committed state of a row on its way to the disk. A commit that comes before the disk has it changes it.
 */
class RowWrite implements DatabaseWrite {
  value: Buffer | null = null;

  constructor(readonly key: Buffer) {}
}

/**
 * The rows of a store that the disk does not have as they are: those that changed since the last commit, and
 * those that commits have taken and the disk has not.
 */
export class UnwrittenRows<K, V> {
  #dirty: CachedRow<K, V>[] = [];
  #taken: CachedRow<K, V>[] = [];
  #writes: DatabaseWrite[] = [];

  /** How many changed since the last commit. */
  get dirty(): number {
    return this.#dirty.length;
  }

  /** All of them, as they are now. */
  rows(codec: Pick<RowCodec<K, V>, 'keyBytes'>): OverlayRow<K, V>[] {
    const entries = new Set([...this.#taken, ...this.#dirty]);
    return Array.from(entries, ({ key, value, timestamp }) => ({
      keyBytes: codec.keyBytes(key),
      key,
      value,
      timestamp,
    }));
  }

  /** The row has changed. */
  add(entry: CachedRow<K, V>): void {
    if (entry.dirty) return;
    entry.dirty = true;
    this.#dirty.push(entry);
  }

  /**
   * What changed since the last commit, in the order of first change, to be committed. `writes`: what the
   * disk is to be given, which is what earlier commits have left there and more.
   */
  take(writes: DatabaseWrite[]): readonly CachedRow<K, V>[] {
    const changed = this.#dirty;
    this.#dirty = [];
    this.#writes = writes;
    for (const entry of changed) entry.dirty = false;
    return changed;
  }

  /** What the disk is to be given of a row; undefined: nothing. */
  writeOf({ writtenAt }: CachedRow<K, V>): RowWrite | undefined {
    return writtenAt < 0 ? undefined : (this.#writes[writtenAt] as RowWrite);
  }

  /** Begins to write a row that there is no write of. */
  write(entry: CachedRow<K, V>, databaseKey: Buffer): RowWrite {
    const write = new RowWrite(databaseKey);
    entry.writtenAt = this.#writes.push(write) - 1;
    this.#taken.push(entry);
    return write;
  }

  /** The disk has everything that was taken. */
  applied(): void {
    for (const entry of this.#taken) entry.writtenAt = -1;
    this.#taken = [];
    this.#writes = [];
  }
}
