import type { KeyValueStore, RangeOptions, Row, VersionedStore, VersionPlace } from '../state/contract.js';
import type { Prefetched } from '../state/prefetched.js';

/** A row before and after a write. */
export interface Write {
  readonly store: string;
  readonly key: unknown;
  /** Undefined: not known, since nobody had read the row; see {@link ObservedStore}. */
  readonly before: Row<unknown> | null | undefined;
  readonly value: unknown;
  readonly timestamp: number;
  /** Of the store, right after the write. */
  readonly streamTime: number;
}

/** A row that was looked up. */
export interface Read {
  readonly store: string;
  readonly key: unknown;
  /** Null: there is none. */
  readonly value: unknown;
  /** Of the store, then. */
  readonly streamTime: number;
}

/** Told of what is done to stores. */
export interface StoreObserver {
  wrote(write: Write): void;
  read?(read: Read): void;
  /** Every value that goes in or comes out passes it. */
  pass?(value: unknown): void;
}

/**
 * A store whose reads and writes are seen. What a row was before a write is known where it had been read, which all operators do that emit changes; else the database still has it until the next commit
 * (`CachedStore.peek`). Of a versioned store, what is seen are the newest versions of rows.
 */
export class ObservedStore<K, V> implements KeyValueStore<K, V>, Prefetched {
  readonly #inner: VersionedStore<K, V> & Prefetched;
  readonly #observer: StoreObserver;
  readonly #timestamp: () => number;

  /** `inner` may be versioned: what it can do more is passed on. */
  constructor(inner: KeyValueStore<K, V>, observer: StoreObserver, timestamp: () => number) {
    this.#inner = inner as VersionedStore<K, V> & Prefetched;
    this.#observer = observer;
    this.#timestamp = timestamp;
  }

  get name(): string {
    return this.#inner.name;
  }

  get streamTime(): number {
    return this.#inner.streamTime;
  }

  get historyMs(): number {
    return this.#inner.historyMs;
  }

  get hasWanted(): boolean {
    return this.#inner.hasWanted;
  }

  get(key: K, asOf?: number): V | null {
    return this.#seen(key, this.#inner.get(key, asOf));
  }

  row(key: K, asOf?: number): Row<V> | null {
    const row = this.#inner.row(key, asOf);
    this.#seen(key, row === null ? null : row.value);
    return row;
  }

  getIfLoaded(key: K): V | null | undefined {
    const value = this.#inner.getIfLoaded(key);
    return value === undefined ? undefined : this.#seen(key, value);
  }

  isLoaded(key: K, asOf?: number): boolean {
    return this.#inner.isLoaded(key, asOf);
  }

  put(key: K, value: V | null, timestamp: number = this.#timestamp()): VersionPlace {
    const before = this.#inner.getIfLoaded(key) === undefined ? undefined : this.#inner.row(key);
    const place: VersionPlace | undefined = this.#inner.put(key, value, timestamp);
    this.#observer.pass?.(value);
    // Only a versioned store says anything: a version of the past leaves the row as it was.
    if (place === undefined || place === 'newest') this.#wrote(key, { before, value: value ?? null, timestamp });
    return place;
  }

  insert(key: K, value: V, timestamp: number = this.#timestamp()): void {
    this.#inner.insert(key, value, timestamp);
    this.#observer.pass?.(value);
    this.#wrote(key, { before: null, value, timestamp });
  }

  delete(key: K): void {
    this.put(key, null);
  }

  check(value: V | null): void {
    this.#inner.check(value);
  }

  async load(key: K, asOf?: number): Promise<V | null> {
    return this.#seen(key, await this.#inner.load(key, asOf));
  }

  loadAll(keys: readonly K[]): void | Promise<void> {
    return this.#inner.loadAll(keys);
  }

  prepare(key: K, timestamp: number): void | Promise<void> {
    return this.#inner.prepare(key, timestamp);
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

  want(key: K, asOf?: number): void {
    this.#inner.want(key, asOf);
  }

  loadWanted(): Promise<void> {
    return this.#inner.loadWanted();
  }

  #wrote(key: K, write: Pick<Write, 'before' | 'value' | 'timestamp'>): void {
    this.#observer.wrote({ store: this.name, key, ...write, streamTime: this.streamTime });
  }

  #seen<T>(key: K, value: T): T {
    this.#observer.pass?.(value);
    this.#observer.read?.({ store: this.name, key, value, streamTime: this.streamTime });
    return value;
  }
}
