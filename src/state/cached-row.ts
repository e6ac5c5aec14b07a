import { type Windowed, WindowKey } from '../model/window.js';
import type { WindowBounds } from './window-bounds.js';

/**
 * The cached row of one key. `value` null: there is no such row. With `bounds` the key is the window that has
 * them, and is made anew whenever it is asked for: as long as the row is cached they are all that is kept of
 * it.
 */
export class CachedRow<K, V> {
  /** What it is found by, with its bounds. */
  text: string;
  bounds: WindowBounds | undefined;
  value: V | null = null;
  timestamp = 0;
  /**
   * The bytes of the value, from when it was put until it is committed: only where making them was the way to
   * check it.
   */
  encoded: Buffer | undefined = undefined;
  /** Known: read from disk, or written. Until then it only marks that the read is under way. */
  loaded = false;
  /** Written since the last commit. */
  dirty = false;
  /**
   * Its place among the writes that the disk is to be given; -1: none. A number, since a reference to what is
   * new would cost each collection.
   */
  writtenAt = -1;
  /** May be on disk or in the changelog, so that a deletion has to be written there. */
  stored = true;
  /**
   * Known to the index of what expires, and its life does not change; or to the filter of the keys that there
   * are.
   */
  indexed = false;
  /** Wanted again since it was read, or since the cache last looked for something to evict. */
  used = false;
  /** What it is taken to cost in memory. */
  bytes: number;
  /** The source record that caused the last change. */
  causeTopic = '';
  causeOffset = 0;
  /** Its places in the table that it is in: see {@link EntryTable}. */
  hash = 0;
  chained: CachedRow<K, V> | undefined = undefined;
  newer: CachedRow<K, V> | undefined = undefined;

  /** The key; of a window that of its records. */
  #key: unknown;

  constructor(text: string, key: K, bounds?: WindowBounds) {
    this.text = text;
    this.bounds = bounds;
    this.#key = bounds === undefined ? key : (key as Windowed<unknown>).key;
    this.bytes = entryBytes(text.length, 0);
  }

  get key(): K {
    const { bounds } = this;
    return (bounds === undefined ? this.#key : new WindowKey(this.#key, bounds.start, bounds.end)) as K;
  }

  /** Makes an evicted entry that of another key, as new. */
  reuse(text: string, key: K, bounds?: WindowBounds): this {
    this.text = text;
    this.bounds = bounds;
    this.#key = bounds === undefined ? key : (key as Windowed<unknown>).key;
    this.value = null;
    this.timestamp = 0;
    this.encoded = undefined;
    this.loaded = false;
    this.dirty = false;
    this.writtenAt = -1;
    this.stored = true;
    this.indexed = false;
    this.used = false;
    this.bytes = entryBytes(text.length, 0);
    return this;
  }
}

/**
 * Measured on Node 20 (64-bit): an entry takes 176 bytes with its boxed timestamp, its slot in the table
 * about 8, the header of its key string 24, a small decoded value 40. A decoded JSON object takes two to
 * three times its text.
 */
export const entryBytes = (keyLength: number, valueLength: number): number => 248 + keyLength + 3 * valueLength;
