/**
 * A value of a row, and since when it is the value; null: since then there was no row. It holds until the
 * next one begins.
 */
export interface Version<V> {
  readonly from: number;
  readonly value: V | null;
  /** As it is written, once it was: a list is written whole, with all that did not change. */
  bytes?: Buffer | null;
}

/** Where a part of a row's older versions lies, when they are too many for one list. */
export interface VersionChunk {
  readonly id: number;
  /** When its first version begins. */
  readonly first: number;
  readonly count: number;
}

/**
 * Versions of a row that are no longer the newest: all of them, or one chunk (which has no further chunks).
 * Each ends where the next begins, the last of a list where the next chunk does. Changed in place by the
 * store that owns it.
 */
export interface VersionList<V> {
  /** The newest version is a deletion, since then. Null: the row is there, or nothing is known of it. */
  deletedAt: number | null;
  nextId: number;
  /** Oldest first; all of them are older than `versions`. */
  chunks: VersionChunk[];
  /** Oldest first. */
  versions: Version<V>[];
}
