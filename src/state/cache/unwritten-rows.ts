import type { DatabaseWrite } from '../../model/database.js';
import type { CachedRow } from '../rows/cached-row.js';
import type { RowCodec } from '../rows/row-codec.js';
import type { OverlayRow } from './merged-scan.js';

/** The committed state of a row that is not on disk yet; until it is, later commits update it. */
class RowWrite implements DatabaseWrite {
  value: Buffer | null = null;

  constructor(readonly key: Buffer) {}
}

/**
 * The rows of a store that differ from the disk: changed since the last commit, or taken by commits and not
 * yet on disk.
 */
export class UnwrittenRows<K, V> {
  #dirty: CachedRow<K, V>[] = [];
  #taken: CachedRow<K, V>[] = [];
  #writes: DatabaseWrite[] = [];

  /** Number of rows that changed since the last commit. */
  get dirty(): number {
    return this.#dirty.length;
  }

  /** All of them in their current state. */
  rows(codec: Pick<RowCodec<K, V>, 'keyBytes'>): OverlayRow<K, V>[] {
    const entries = new Set([...this.#taken, ...this.#dirty]);
    return Array.from(entries, ({ key, value, timestamp }) => ({
      keyBytes: codec.keyBytes(key),
      key,
      value,
      timestamp,
    }));
  }

  /** Marks a row as changed. */
  add(entry: CachedRow<K, V>): void {
    if (entry.dirty) return;
    entry.dirty = true;
    this.#dirty.push(entry);
  }

  /**
   * Takes the changes since the last commit, in the order of first change, for a commit. `writes`: the
   * pending disk writes, with those of earlier commits at the beginning.
   */
  take(writes: DatabaseWrite[]): readonly CachedRow<K, V>[] {
    const changed = this.#dirty;
    this.#dirty = [];
    this.#writes = writes;
    for (const entry of changed) entry.dirty = false;
    return changed;
  }

  /** The pending disk write of a row; undefined: none. */
  writeOf({ writtenAt }: CachedRow<K, V>): RowWrite | undefined {
    return writtenAt < 0 ? undefined : (this.#writes[writtenAt] as RowWrite);
  }

  /** Adds a disk write for a row without one. */
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
