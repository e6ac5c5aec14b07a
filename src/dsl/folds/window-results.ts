import { StreamsError } from '../../model/errors.js';
import type { Headers } from '../../model/headers.js';
import { RowChange } from '../../model/record.js';
import type { WindowKey } from '../../model/window.js';
import type { OperatorStore, StoreSpec } from '../../state/contract.js';
import type { IdleClock } from '../clock/idle-clock.js';
import type { Processor, ProcessorContext } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import { nextClosingOf } from '../declare/closings.js';
import type { Windows } from '../windows/windows.js';
import { ClosingWindows, type WindowRows } from './closing-windows.js';
import type { WindowedFolding } from './windowing.js';

/** The store of a fold, which keeps its stream time. */
type Clocked = Pick<OperatorStore<unknown, unknown>, 'streamTime' | 'advanceTime'>;

/** The parts of a fold over windows, in one task. */
export interface FoldSetup<K, V, A> {
  readonly context: ProcessorContext;
  readonly folding: WindowedFolding<K, V, A>;
  /** Moves stream time while no record comes, if the user wants that. */
  readonly idle: IdleClock | undefined;
}

/** The part of a fold that depends on the kind of windows: its rows and its logic. */
export interface FoldKind<K, V, A> {
  readonly rows: StoreSpec;
  create(setup: FoldSetup<K, V, A>): Processor;
}

/**
 * Handles the results of a fold over any kind of windows, and its late records. Results are emitted with each
 * change, or once per window when it closes.
 *
 * A fold first calls {@link advance} with each record that counts for its stream time, and waits for it. Then
 * it calls {@link changed}, {@link grown} or {@link removed} for each window that it has written, or
 * {@link late}. Only `advance` advances stream time.
 */
export class WindowResults<K, V, A> {
  readonly #context: ProcessorContext;
  readonly #folding: WindowedFolding<K, V, A>;
  /** The stream time of this store is the stream time of the fold. */
  readonly #store: Clocked;
  readonly #windows: Windows;
  /** Undefined: each change is emitted. */
  readonly #closing: ClosingWindows<K, A> | undefined;
  readonly #idle: IdleClock | undefined;

  constructor({ context, folding, idle }: FoldSetup<K, V, A>, store: Clocked, rows: WindowRows<K, A>) {
    this.#context = context;
    this.#folding = folding;
    this.#store = store;
    this.#windows = folding.window;
    if (folding.emit === 'onClose') this.#closing = new ClosingWindows(context, folding, rows);
    this.#idle = idle;
    idle?.drives({ next: this.#nextClosing(), advance: (streamTime) => this.#advance(streamTime) });
  }

  /** The last end of a window that is closed now. */
  get closedUntil(): number {
    return this.#store.streamTime - this.#windows.closesAfterMs;
  }

  /** Called once, when the stores are restored. */
  async start(): Promise<void> {
    await this.#closing?.start();
    this.#idle?.seen(this.#store.streamTime);
  }

  /** When the next window closes: one that is open, if these are known, or any. */
  #nextClosing(): (streamTime: number) => number {
    const next = nextClosingOf(this.#windows);
    const open = this.#closing;
    if (open) return () => open.next + this.#windows.closesAfterMs;
    // After the last record's windows have left the store, nothing is left to close.
    return (time) =>
      time < this.#store.streamTime + this.#windows.retentionMs ? next(time) : Number.POSITIVE_INFINITY;
  }

  /**
   * Advances stream time and emits the windows that close. Returns a promise only if closing windows have to
   * be read; the caller must then wait for it. Windows are emitted before time advances, because their rows
   * may be past their retention afterwards.
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

  /** A window was written. `next` null: it is empty now; `previous` null: it was empty before. */
  changed(window: WindowKey<K>, next: A | null, previous: A | null, timestamp: number, headers: Headers): void {
    if (this.#closing) this.#closing.changed(window, next !== null, previous !== null, timestamp);
    else this.#context.emit(new RowChange(window, next, previous, timestamp, headers));
  }

  /** A window replaced others that grew or were merged. With `updates`, this is emitted like any change. */
  grown(window: WindowKey<K>, next: A | null, previous: A | null, timestamp: number, headers: Headers): void {
    if (!this.#closing) this.#context.emit(new RowChange(window, next, previous, timestamp, headers));
  }

  /** A window was replaced by another. With `updates`, a tombstone is emitted; with `onClose`, nothing is. */
  removed(window: WindowKey<K>, previous: A | null, timestamp: number, headers: Headers): void {
    this.grown(window, null, previous, timestamp, headers);
  }

  /** A record was in no window, because all its windows are closed. */
  late(record: AnyRecord): void {
    const { late, operator, store } = this.#folding;
    this.#context.drop('late');
    if (late === undefined) return;
    if (late !== 'deadLetter') return late(record);
    const error = new StreamsError('RECORD_LATE', {
      what: 'a record arrived after its windows had closed',
      at: `${operator} ${store}`,
      saw: `the timestamp ${record.timestamp} at stream time ${this.#store.streamTime}`,
      expected: `windows that end after ${this.closedUntil}`,
      action: 'Give the windows a longer grace if such records should count.',
    });
    this.#context.deadLetter(record, error);
  }

  /**
   * A record was added to some of its windows only, because the others are closed. It is counted, so nothing
   * is lost silently. It is not a late record: if it were sent again, it would count twice.
   */
  partlyLate(): void {
    this.#context.count('partly-late');
  }
}
