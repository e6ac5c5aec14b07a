import { StreamsError } from '../../model/errors.js';
import type { Headers } from '../../model/headers.js';
import { RowChange } from '../../model/record.js';
import type { WindowKey } from '../../model/window.js';
import type { OperatorStore, StoreSpec } from '../../state/contract.js';
import type { Processor, ProcessorContext } from '../processor.js';
import type { AnyRecord } from '../push.js';
import { ClosingWindows, type WindowRows } from './closing-windows.js';
import { IdleClock } from './idle-clock.js';
import type { WindowedFolding } from './windowing.js';
import type { Windows } from './windows.js';

/** The store of a fold keeps its stream time. */
type Clocked = Pick<OperatorStore<unknown, unknown>, 'streamTime' | 'advanceTime'>;

/** What a fold over windows is made with, in one task. */
export interface FoldSetup<K, V, A> {
  readonly context: ProcessorContext;
  readonly folding: WindowedFolding<K, V, A>;
}

/** What differs by the kind of windows: how a fold keeps its rows, and how it works. */
export interface FoldKind<K, V, A> {
  readonly rows: StoreSpec;
  create(setup: FoldSetup<K, V, A>): Processor;
}

/**
 * What becomes of the results of a fold over windows of whatever kind: they are emitted with each change, or
 * once a window is closed; and what becomes of records that are late.
 *
 * A fold calls {@link advance} first with each record that counts for its stream time, and goes on when that
 * is done; then {@link changed}, {@link grown} or {@link removed} for each window it has written, or
 * {@link late}. It leaves observing the time to advance.
 */
export class WindowResults<K, V, A> {
  readonly #context: ProcessorContext;
  readonly #folding: WindowedFolding<K, V, A>;
  /** Its stream time is that of the fold. */
  readonly #store: Clocked;
  readonly #windows: Windows;
  /** Undefined: each change is emitted. */
  readonly #closing: ClosingWindows<K, A> | undefined;
  readonly #idle: IdleClock | undefined;

  constructor({ context, folding }: FoldSetup<K, V, A>, store: Clocked, rows: WindowRows<K, A>) {
    this.#context = context;
    this.#folding = folding;
    this.#store = store;
    this.#windows = folding.window;
    if (folding.emit === 'onClose') this.#closing = new ClosingWindows(context, folding, rows);
    if (folding.closeAfter) this.#idle = new IdleClock(context, folding.closeAfter.idle, folding.store);
  }

  /** The last end of a window that is closed now. */
  get closedUntil(): number {
    return this.#store.streamTime - this.#windows.closesAfterMs;
  }

  /** Once, when the stores are restored. */
  async start(): Promise<void> {
    await this.#closing?.start();
    this.#idle?.start(
      () => this.#store.streamTime,
      (streamTime) => this.#advance(streamTime),
    );
  }

  /**
   * Moves stream time on, and emits what closes by that. A promise only if windows that close have to be
   * read: nothing else may be done before it is fulfilled. Rows may be past their retention after that, so
   * windows are emitted before.
   */
  advance(timestamp: number): void | Promise<void> {
    this.#idle?.seen(Math.max(timestamp, this.#store.streamTime));
    return this.#advance(timestamp);
  }

  #advance(timestamp: number): void | Promise<void> {
    const store = this.#store;
    if (this.#closing && timestamp > store.streamTime) {
      const pending = this.#closing.close(timestamp - this.#windows.closesAfterMs);
      if (pending) return pending.then(() => store.advanceTime(timestamp));
    }
    store.advanceTime(timestamp);
  }

  /** A window was written. `next` null: it is empty now; `previous` null: it was. */
  changed(window: WindowKey<K>, next: A | null, previous: A | null, timestamp: number, headers: Headers): void {
    if (this.#closing) this.#closing.changed(window, next !== null, previous !== null, timestamp);
    else this.#context.emit(new RowChange(window, next, previous, timestamp, headers));
  }

  /** A window took the place of others that grew or were merged: among updates a change like others. */
  grown(window: WindowKey<K>, next: A | null, previous: A | null, timestamp: number, headers: Headers): void {
    if (!this.#closing) this.#context.emit(new RowChange(window, next, previous, timestamp, headers));
  }

  /**
   * A window is no more, because another took its place: a tombstone among updates, nothing where windows are
   * emitted once they are closed.
   */
  removed(window: WindowKey<K>, previous: A | null, timestamp: number, headers: Headers): void {
    this.grown(window, null, previous, timestamp, headers);
  }

  /** A record was not taken into any window, because all that it belongs to are closed. */
  late(record: AnyRecord): void {
    const { late, operator, store } = this.#folding;
    this.#context.drop('late');
    if (late === undefined) return;
    if (late !== 'deadLetter') return late(record);
    const error = new StreamsError('RECORD_LATE', {
      what: 'a record came when its windows had closed',
      at: `${operator} ${store}`,
      saw: `the timestamp ${record.timestamp} at stream time ${this.#store.streamTime}`,
      expected: `windows that end after ${this.closedUntil}`,
      action: 'Give the windows a longer grace if such records are to count.',
    });
    this.#context.deadLetter(record, error);
  }

  /**
   * A record was taken into some of its windows and not into others, which are closed. Nothing of it is lost
   * without being counted, but it is no late record: sent in again it would count twice.
   */
  partlyLate(): void {
    this.#context.count('partly-late');
  }
}
