import { CachedStore } from '../state/cached-store.js';
import type { StoreOptions } from '../state/task-state.js';

/** A row that was put into a store, whoever did it: an operator, or a store that lies on this one. */
export interface Put {
  readonly store: string;
  readonly key: unknown;
  /** As it is in the store: whoever put it may change it later. Null: the row was deleted. */
  readonly value: unknown;
  readonly timestamp: number;
  /** Of the store, before and after. */
  readonly timeBefore: number;
  readonly streamTime: number;
  /** Whether there was a row before: `unknown` if nobody had looked. */
  readonly before: 'there' | 'absent' | 'unknown';
}

/**
 * A store that tells what is put into it. What is removed because its time to live is over was gone already:
 * that is not told.
 */
export class WatchedStore extends CachedStore<unknown, unknown> {
  readonly #cause: StoreOptions['cause'];
  readonly #told: (put: Put) => void;
  #expiring = false;

  constructor(options: StoreOptions, told: (put: Put) => void) {
    super(options);
    this.#cause = options.cause;
    this.#told = told;
  }

  override put(key: unknown, value: unknown, timestamp = this.#cause.timestamp): void {
    const row = this.getIfLoaded(key);
    const timeBefore = this.streamTime;
    super.put(key, value, timestamp);
    if (this.#expiring) return;
    const before = row === undefined ? 'unknown' : row === null ? 'absent' : 'there';
    this.#told({ store: this.name, key, value, timestamp, timeBefore, streamTime: this.streamTime, before });
  }

  override insert(key: unknown, value: unknown, timestamp = this.#cause.timestamp): void {
    const timeBefore = this.streamTime;
    super.insert(key, value, timestamp);
    const { name: store, streamTime } = this;
    this.#told({ store, key, value, timestamp, timeBefore, streamTime, before: 'absent' });
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
