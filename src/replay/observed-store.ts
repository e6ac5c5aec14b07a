import { isStreamsError } from '../model/errors.js';
import type { CachedStore } from '../state/cached-store.js';
import type { KeyValueStore, RangeOptions, Row } from '../state/contract.js';
import type { Prefetched } from '../state/prefetched.js';

/** A row before and after a write. */
export interface Write {
  readonly store: string;
  readonly key: unknown;
  /** Undefined: not known, since nobody had read the row; see {@link ObservedStore}. */
  readonly before: Row<unknown> | null | undefined;
  readonly value: unknown;
  readonly timestamp: number;
}

/** Told of what is done to stores. */
export interface StoreObserver {
  wrote(write: Write): void;
  read?(store: string, key: unknown, value: unknown): void;
  /** Every value that goes in or comes out passes it. */
  pass?(value: unknown): void;
}

/**
 * A store whose reads and writes are seen. What a row was before a write is known where it had been read, which all operators do that emit changes; else the database still has it until the next commit
 * (`CachedStore.committed`).
 */
export class ObservedStore<K, V> implements KeyValueStore<K, V>, Prefetched {
  readonly #inner: CachedStore<K, V>;
  readonly #observer: StoreObserver;
  readonly #timestamp: () => number;

  constructor(inner: CachedStore<K, V>, observer: StoreObserver, timestamp: () => number) {
    this.#inner = inner;
    this.#observer = observer;
    this.#timestamp = timestamp;
  }

  get name(): string {
    return this.#inner.name;
  }

  get streamTime(): number {
    return this.#inner.streamTime;
  }

  get hasWanted(): boolean {
    return this.#inner.hasWanted;
  }

  get(key: K): V | null {
    return this.#seen(key, this.#inner.get(key));
  }

  row(key: K): Row<V> | null {
    const row = this.#inner.row(key);
    this.#seen(key, row === null ? null : row.value);
    return row;
  }

  put(key: K, value: V | null, timestamp: number = this.#timestamp()): void {
    const before = this.#before(key);
    this.#inner.put(key, value, timestamp);
    this.#observer.pass?.(value);
    this.#observer.wrote({ store: this.name, key, before, value: value ?? null, timestamp });
  }

  insert(key: K, value: V, timestamp: number = this.#timestamp()): void {
    this.#inner.insert(key, value, timestamp);
    this.#observer.pass?.(value);
    this.#observer.wrote({ store: this.name, key, before: null, value, timestamp });
  }

  delete(key: K): void {
    this.put(key, null);
  }

  async load(key: K): Promise<V | null> {
    return this.#seen(key, await this.#inner.load(key));
  }

  observe(timestamp: number): void {
    this.#inner.observe(timestamp);
  }

  async *entries(range?: RangeOptions<K>): AsyncGenerator<readonly [K, V]> {
    for await (const entry of this.#inner.entries(range)) {
      this.#observer.pass?.(entry[1]);
      yield entry;
    }
  }

  want(key: K): void {
    this.#inner.want(key);
  }

  loadWanted(): Promise<void> {
    return this.#inner.loadWanted();
  }

  #before(key: K): Row<V> | null | undefined {
    try {
      return this.#inner.row(key);
    } catch (error) {
      if (isStreamsError(error) && error.code === 'STORE_KEY_NOT_LOADED') return undefined;
      throw error;
    }
  }

  #seen<T>(key: K, value: T): T {
    this.#observer.pass?.(value);
    this.#observer.read?.(this.name, key, value);
    return value;
  }
}
