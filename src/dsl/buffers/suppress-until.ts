import { type Change, RowChange } from '../../model/record.js';
import type { Windowed } from '../../model/window.js';
import type { Serde } from '../../serdes/serde.js';
import type { OperatorStore } from '../../state/contract.js';
import type { Lookups, Processor, ProcessorContext } from '../contract/processor.js';
import { type Due, dueRow } from './due-queue.js';
import { type Bounds, HeldChanges } from './held-changes.js';
import { type Pending, PendingRef } from './pending.js';

interface Parts<K, V> {
  /** The store of the waiting rows. */
  readonly store: string;
  readonly serdes: { readonly key: Serde<K>; readonly value: Serde<V> };
  readonly bounds: Bounds;
  /** How long a row waits after its due time: a window's grace, or the time limit. */
  readonly waitMs: number;
}

abstract class Suppress<K, V> implements Processor {
  /** The waiting rows; the store's stream time is the operator's. */
  protected readonly rows: OperatorStore<Due<K>, Pending<V>>;
  protected readonly held: HeldChanges<K, V>;
  readonly #context: ProcessorContext;
  readonly #waitMs: number;

  constructor(context: ProcessorContext, { store, serdes, bounds, waitMs }: Parts<K, V>) {
    this.#context = context;
    this.#waitMs = waitMs;
    this.rows = context.store(store);
    this.held = new HeldChanges({ rows: this.rows, serdes, bounds, give: (key, pending) => this.give(key, pending) });
  }

  start(): Promise<void> {
    return this.held.start();
  }

  abstract prepare(change: Change<K, V>, port: number, lookups: Lookups): unknown;

  process(change: Change<K, V>, _port: number, prepared: unknown): void | Promise<void> {
    if (change.key === null) return this.#context.drop('null-key');
    if (change.outOfOrder) return this.#context.drop('out-of-order');
    this.hold(change, prepared);
    this.rows.advanceTime(change.timestamp);
    return this.held.release(this.rows.streamTime - this.#waitMs);
  }

  /**
   * The store does not write what the row has become, and nothing was changed for it: until its next value
   * there is no row. So what waited for it must not come out as it was.
   */
  giveUp({ key, previous, timestamp, headers }: Change<K, V>, port: number, prepared: unknown): void | Promise<void> {
    const gone = new RowChange<K, V>(key, null, previous, timestamp, headers);
    if (this.isKnown(gone, prepared)) return this.process(gone, port, prepared);
  }

  /** Emits a row that leaves the buffer. */
  protected give(key: K, { value, previous, timestamp, headers }: Pending<V>): void {
    this.#context.emit(new RowChange(key, value, previous, timestamp, headers));
  }

  protected abstract hold(change: Change<K, V>, prepared: unknown): void;

  /** Whether the row that is gone was told of, or something waits for it. */
  protected abstract isKnown(gone: Change<K, V>, prepared: unknown): boolean;
}

/** For windows: the key itself contains the due time, so the row is found without a second store. */
export class SuppressUntilClosed<K, V> extends Suppress<Windowed<K>, V> {
  override prepare({ key }: Change<Windowed<K>, V>, _port: number, lookups: Lookups): Due<Windowed<K>> | undefined {
    if (key === null) return undefined;
    const row = dueRow(key.end, key);
    lookups.add(this.rows, row);
    return row;
  }

  protected override hold(change: Change<Windowed<K>, V>, prepared: unknown): void {
    const row = prepared as Due<Windowed<K>>;
    const before = this.rows.get(row);
    const sizeBefore = before === null ? 0 : this.held.sizeOf(row.key, before);
    if (change.value === null) {
      if (before !== null) this.held.remove(row, sizeBefore);
      return;
    }
    const pending = this.held.pendingOf(change, before);
    const size = this.held.sizeOf(row.key, pending);
    if (before === null) this.held.add(row, pending, size);
    else this.held.replace(row, pending, size, sizeBefore);
  }

  protected override isKnown(_gone: Change<Windowed<K>, V>, prepared: unknown): boolean {
    return this.rows.get(prepared as Due<Windowed<K>>) !== null;
  }
}

/** For any rows: a second store holds the place of each waiting row. */
export class SuppressUntilDue<K, V> extends Suppress<K, V> {
  readonly #places: OperatorStore<K, PendingRef<K, V>>;

  constructor(context: ProcessorContext, parts: Parts<K, V> & { readonly places: string }) {
    super(context, parts);
    this.#places = context.store(parts.places);
  }

  override prepare({ key }: Change<K, V>, _port: number, lookups: Lookups): void {
    if (key !== null) lookups.add(this.#places, key);
  }

  protected override give(key: K, pending: Pending<V>): void {
    this.#places.delete(key);
    super.give(key, pending);
  }

  protected override hold(change: Change<K, V>): void {
    const { key, timestamp } = change;
    const place = this.#places.get(key);
    const pending = this.held.pendingOf(change, place);
    const size = this.held.sizeOf(key, pending);
    if (place === null) {
      this.held.add(this.#put(dueRow(timestamp, key), pending, size), pending, size);
      return;
    }
    place.row ??= dueRow(place.due, key);
    this.held.replace(place.row, pending, size, place.size);
    if (place.size !== size) this.#put(place.row, pending, size);
  }

  protected override isKnown(gone: Change<K, V>): boolean {
    return this.#places.get(gone.key) !== null || this.held.pendingOf(gone, null).previous !== null;
  }

  #put(row: Due<K>, { previous }: Pending<V>, size: number): Due<K> {
    this.#places.put(row.key, new PendingRef(row.due, previous, size, row));
    return row;
  }
}
