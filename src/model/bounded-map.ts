interface Kept<V> {
  readonly value: V;
  weight: number;
}

/**
 * A map with a maximum number of entries, and optionally a maximum total weight. When it is full, it removes
 * the oldest entries, which the caller creates again when needed.
 */
export class BoundedMap<K, V> {
  readonly #entries = new Map<K, Kept<V>>();
  readonly #maxEntries: number;
  readonly #maxWeight: number;
  #weight = 0;

  constructor(maxEntries: number, maxWeight = Number.POSITIVE_INFINITY) {
    this.#maxEntries = maxEntries;
    this.#maxWeight = maxWeight;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: K): V | undefined {
    return this.#entries.get(key)?.value;
  }

  has(key: K): boolean {
    return this.#entries.has(key);
  }

  set(key: K, value: V): void {
    this.delete(key);
    this.#entries.set(key, { value, weight: 0 });
    this.#makeRoom();
  }

  /**
   * Sets the weight of an entry, once it is known. Does nothing if the entry has been replaced or removed.
   */
  weigh(key: K, value: V, weight: number): void {
    const kept = this.#entries.get(key);
    if (kept?.value !== value) return;
    this.#weight += weight - kept.weight;
    kept.weight = weight;
    this.#makeRoom();
  }

  delete(key: K): void {
    this.#weight -= this.#entries.get(key)?.weight ?? 0;
    this.#entries.delete(key);
  }

  #makeRoom(): void {
    for (const key of this.#entries.keys()) {
      if (this.#entries.size <= this.#maxEntries && this.#weight <= this.#maxWeight) return;
      this.delete(key);
    }
  }
}
