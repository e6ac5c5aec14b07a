/**
 * A value of a row, and since when it is valid; null: the row did not exist. It is valid until the next one
 * begins.
 */
export interface Version<V> {
  readonly from: number;
  readonly value: V | null;
  /** The encoded version, once it was encoded: a list is written whole, with its unchanged versions. */
  bytes?: Buffer | null;
}

/** A reference to a chunk of a row's older versions, when they are too many for one list. */
export interface VersionChunk {
  readonly id: number;
  /** When its first version begins. */
  readonly first: number;
  readonly count: number;
}

/**
 * Versions of a row that are no longer the newest: all of them, or one chunk (which has no further chunks).
 * Each ends where the next begins; the last of a list ends where the next chunk begins. The store that owns
 * the list changes it in place.
 */
export interface VersionList<V> {
  /**
   * Since when the row is deleted, if the newest version is a deletion. Null: the row exists, or is unknown.
   */
  deletedAt: number | null;
  nextId: number;
  /** Oldest first; all of them are older than `versions`. */
  chunks: VersionChunk[];
  /** Oldest first. */
  versions: Version<V>[];
}
