import { CachedStore } from '../../state/store/cached-store.js';
import type { StoreOptions } from '../../state/store/task-state.js';

/** A write of a row to a store, by an operator, or by a store that is built on this one. */
export interface Put {
  readonly store: string;
  readonly key: unknown;
  /** The value in the store: the writer may change it later. Null: the row was deleted. */
  readonly value: unknown;
  readonly timestamp: number;
  /** Stream time of the store, before and after the write. */
  readonly timeBefore: number;
  readonly streamTime: number;
  /** Whether there was a row before; `unknown` if the row was not loaded. */
  readonly before: 'there' | 'absent' | 'unknown';
}

/** A store that reports writes. It does not report removals of expired rows, which were already gone. */
export class WatchedStore extends CachedStore<unknown, unknown> {
  readonly #cause: StoreOptions['cause'];
  readonly #onPut: (put: Put) => void;
  #expiring = false;

  constructor(options: StoreOptions, onPut: (put: Put) => void) {
    super(options);
    this.#cause = options.cause;
    this.#onPut = onPut;
  }

  override put(key: unknown, value: unknown, timestamp = this.#cause.timestamp): void {
    const row = this.getIfLoaded(key);
    const timeBefore = this.streamTime;
    super.put(key, value, timestamp);
    if (this.#expiring) return;
    const before = row === undefined ? 'unknown' : row === null ? 'absent' : 'there';
    this.#onPut({ store: this.name, key, value, timestamp, timeBefore, streamTime: this.streamTime, before });
  }

  override insert(key: unknown, value: unknown, timestamp = this.#cause.timestamp): void {
    const timeBefore = this.streamTime;
    super.insert(key, value, timestamp);
    const { name: store, streamTime } = this;
    this.#onPut({ store, key, value, timestamp, timeBefore, streamTime, before: 'absent' });
  }

  override async expire(writes: Parameters<CachedStore<unknown, unknown>['expire']>[0]): Promise<void> {
    this.#expiring = true;
    try {
      await super.expire(writes);
    } finally {
      this.#expiring = false;
    }
  }
}
