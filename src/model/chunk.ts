/**
 * The key of a row that holds a part of what belongs to one key: 0 is the first, which knows the others by
 * their numbers.
 */
export interface ChunkKey<K> {
  readonly key: K;
  readonly id: number;
}
