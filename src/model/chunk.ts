/**
 * The key of a row that holds a part of the data of one key. Row 0 is the first, which lists the ids of the
 * others.
 */
export interface ChunkKey<K> {
  readonly key: K;
  readonly id: number;
}
