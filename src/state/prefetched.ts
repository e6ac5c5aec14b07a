/** A store as a stage reads it: first the keys of a whole batch are noted, then all are read at once. */
export interface Prefetched {
  /**
   * Marks a key to be read with the next {@link loadWanted}; nothing happens if it is loaded. With a moment:
   * what a look-up as of it needs.
   */
  want(key: unknown, asOf?: number): void;
  readonly hasWanted: boolean;
  /** Reads everything that was wanted in one round trip. */
  loadWanted(): Promise<void>;
}
