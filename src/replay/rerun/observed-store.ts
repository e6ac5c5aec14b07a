import type { Prefetched } from '../../state/cache/prefetched.js';
import type { OperatorStore, OperatorVersionedStore, RangeOptions, Row, VersionOutcome } from '../../state/contract.js';

/** A row that was looked up. */
export interface StoreRead {
  readonly store: string;
  readonly key: unknown;
  /** Null: there is none. */
  readonly value: unknown;
  /** Stream time of the store at that moment. */
  readonly streamTime: number;
}

/** Observes lookups in stores. */
export interface StoreObserver {
  read?(read: StoreRead): void;
  /** Called for every value that is read. */
  pass?(value: unknown): void;
}

/** A store with observed reads. {@link WatchedStore} reports writes. */
export class ObservedStore<K, V> implements OperatorStore<K, V>, Prefetched {
  readonly #inner: OperatorVersionedStore<K, V> & Prefetched;
  readonly #observer: StoreObserver;

  /** `inner` may be a versioned store: its additional methods are forwarded. */
  constructor(inner: OperatorStore<K, V>, observer: StoreObserver) {
    this.#inner = inner as OperatorVersionedStore<K, V> & Prefetched;
    this.#observer = observer;
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

  /** Not reported as a read: the result depends on what is cached, which a replay must not show. */
  getIfLoaded(key: K): V | null | undefined {
    const value = this.#inner.getIfLoaded(key);
    this.#observer.pass?.(value);
    return value;
  }

  isLoaded(key: K, asOf?: number): boolean {
    return this.#inner.isLoaded(key, asOf);
  }

  put(key: K, value: V | null, timestamp?: number): VersionOutcome {
    return this.#inner.put(key, value, timestamp);
  }

  insert(key: K, value: V, timestamp?: number): void {
    this.#inner.insert(key, value, timestamp);
  }

  delete(key: K): void {
    this.#inner.delete(key);
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

  advanceTime(timestamp: number): void {
    this.#inner.advanceTime(timestamp);
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

  #seen<T>(key: K, value: T): T {
    this.#observer.pass?.(value);
    this.#observer.read?.({ store: this.name, key, value, streamTime: this.streamTime });
    return value;
  }
}
