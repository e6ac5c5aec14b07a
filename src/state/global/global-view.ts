import { StreamsError } from '../../model/errors.js';
import { handled } from '../../model/handled.js';
import { show } from '../../model/text/show.js';
import type { Prefetched } from '../cache/prefetched.js';
import type { OperatorStore, RangeOptions, Row } from '../contract.js';
import { ReadOnlyStore } from '../store/read-only-store.js';
import type { GlobalKey, GlobalRow, GlobalStore } from './global-store.js';

/**
 * A task's view of a global table.
 *
 * Rows that the task has looked up stay the same until it has finished its batch and released them. No row
 * changes, or is evicted, between two lookups of a record. Meanwhile the table advances; the next batch sees
 * its new state. So the writer and the tasks never wait for each other.
 */
export class GlobalView<K, V> extends ReadOnlyStore implements OperatorStore<K, V>, Prefetched {
  readonly #store: GlobalStore<K, V>;
  readonly #rows = new Map<string, GlobalRow<V>>();
  #wanted = new Map<string, GlobalKey>();

  constructor(store: GlobalStore<K, V>) {
    super();
    this.#store = store;
  }

  get name(): string {
    return this.#store.name;
  }

  get hasWanted(): boolean {
    return this.#wanted.size > 0;
  }

  /** Rows of a global table have no time to live, so the store needs no stream time. */
  get streamTime(): number {
    return Number.NEGATIVE_INFINITY;
  }

  get(key: K): V | null {
    return this.#found(key).value;
  }

  row(key: K): Row<V> | null {
    const { value, timestamp } = this.#found(key);
    return value === null ? null : { value, timestamp };
  }

  getIfLoaded(key: K): V | null | undefined {
    return this.#rows.get(this.#store.codec.idOf(key))?.value;
  }

  load(key: K): Promise<V | null> {
    return handled(this.#load(key));
  }

  async #load(key: K): Promise<V | null> {
    const row = this.#held(this.#store.codec.idOf(key));
    if (row) return row.value;
    const wanted = this.#store.keyOf(key);
    const [read] = await this.#store.read([wanted]);
    return this.#hold(wanted.id, read as GlobalRow<V>).value;
  }

  async loadAll(keys: readonly K[]): Promise<void> {
    await Promise.all(keys.map((key) => this.load(key)));
  }

  entries(range?: RangeOptions<K>): AsyncIterable<readonly [K, V]> {
    return this.#store.entries(range);
  }

  want(key: K): void {
    const id = this.#store.codec.idOf(key);
    if (!this.#held(id)) this.#wanted.set(id, this.#store.keyOf(key));
  }

  async loadWanted(): Promise<void> {
    const wanted = [...this.#wanted.values()];
    this.#wanted = new Map();
    const rows = await this.#store.read(wanted);
    for (let i = 0; i < wanted.length; i++) this.#hold((wanted[i] as GlobalKey).id, rows[i] as GlobalRow<V>);
  }

  /** Releases the rows that were looked up: the batch is over. */
  release(): void {
    if (this.#rows.size > 0) this.#rows.clear();
    this.#store.evict();
  }

  /** The row as this batch sees it; a row from the shared cache becomes part of the batch's view. */
  #held(id: string): GlobalRow<V> | undefined {
    const held = this.#rows.get(id);
    if (held) return held;
    const cached = this.#store.cached(id);
    if (cached) this.#rows.set(id, cached);
    return cached;
  }

  /** The first read counts: two lookups of one batch see the same row. */
  #hold(id: string, row: GlobalRow<V>): GlobalRow<V> {
    const held = this.#rows.get(id);
    if (held) return held;
    this.#rows.set(id, row);
    return row;
  }

  #found(key: K): GlobalRow<V> {
    const row = this.#rows.get(this.#store.codec.idOf(key));
    if (row) return row;
    throw new StreamsError('STORE_KEY_NOT_LOADED', {
      what: 'a key was read that is not loaded',
      at: `store ${this.name}`,
      saw: `key ${show(key)}`,
      action: 'Use await store.load(key), or declare the key in reads so that the batch loads it.',
    });
  }

  protected override refused(what: string): StreamsError {
    return new StreamsError('STORE_READ_ONLY', {
      what: `${what} in the store of a global table`,
      at: `store ${this.name}`,
      action: 'Write to its topic with to(topic, …): every process reads it from there.',
    });
  }
}
