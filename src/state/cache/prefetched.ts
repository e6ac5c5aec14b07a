/** The view of a store for a stage: it first marks the keys of a whole batch, then reads them all at once. */
export interface Prefetched {
  /**
   * Marks a key for the next {@link loadWanted}; does nothing if the key is loaded. With a moment: marks the
   * data for a lookup as of that moment.
   */
  want(key: unknown, asOf?: number): void;
  readonly hasWanted: boolean;
  /** Reads all marked keys in one round trip. */
  loadWanted(): Promise<void>;
}
