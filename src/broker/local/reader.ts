import type { Clock } from '../../model/ports.js';
import { takeFairly } from '../fair-shares.js';
import {
  type PartitionOffset,
  type PollOptions,
  partitionKey,
  type Reader,
  type RecordBatch,
  type TopicPartition,
} from '../port.js';
import { closedBroker } from './commit-queue.js';
import { LogCursor } from './cursor.js';
import type { Log } from './log.js';

/** Read ahead of the position, per partition: eight batches. */
const AHEAD_BYTES = 1024 * 1024;
/** Read ahead by a reader in total; with many partitions each has less, down to one batch. */
const TOTAL_AHEAD_BYTES = 64 * 1024 * 1024;

/**
 * Reads the local log. It never contains open or aborted transactions, so both isolation levels return the
 * same.
 *
 * A poll that finds nothing waits for an append, not for a timer. It reads the storage ahead of the position,
 * so that the next poll finds its records in memory. Memory: 1 MiB per partition and 64 MiB in total (at
 * least one batch per partition). The returned records, which are views of the batches, come on top. Errors:
 * see {@link Reader.poll}.
 */
export class LocalReader implements Reader {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #onClose: (reader: LocalReader) => void;
  readonly #cursors = new Map<string, LogCursor>();
  #turn = 0;
  #woken = false;
  #closed = false;
  readonly #waiting = new Set<() => void>();

  constructor(log: Log, clock: Clock, onClose: (reader: LocalReader) => void) {
    this.#log = log;
    this.#clock = clock;
    this.#onClose = onClose;
  }

  seek(position: PartitionOffset): void {
    if (this.#closed) throw closedBroker();
    const key = partitionKey(position.topic, position.partition);
    const before = this.#cursors.get(key);
    before?.close();
    const cursor = new LogCursor(this.#log, position, this.#notify);
    cursor.paused = before?.paused ?? false;
    this.#cursors.set(key, cursor);
    this.#notify();
  }

  remove(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      const key = partitionKey(topic, partition);
      this.#cursors.get(key)?.close();
      this.#cursors.delete(key);
    }
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#setPaused(partitions, true);
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#setPaused(partitions, false);
    this.#notify();
  }

  async poll(options: PollOptions): Promise<readonly RecordBatch[]> {
    if (this.#closed) throw closedBroker();
    this.#woken = false;
    const deadline = this.#clock.monotonic() + options.maxWaitMs;
    for (;;) {
      const batches = this.#take(options);
      const fetches = this.#readAhead();
      if (batches.length > 0 || this.#woken || this.#closed) return batches;
      const remaining = deadline - this.#clock.monotonic();
      // Reading existing records may take as long as it needs; only the wait for new records is limited.
      if (fetches.length > 0) await this.#wait(Promise.all(fetches), undefined);
      else if (remaining > 0) await this.#wait(undefined, remaining);
      else return batches;
    }
  }

  wakeup(): void {
    this.#woken = true;
    this.#notify();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const cursor of this.#cursors.values()) cursor.close();
    this.#cursors.clear();
    this.#notify();
    this.#onClose(this);
  }

  readonly #notify = (): void => {
    for (const done of this.#waiting) done();
  };

  #setPaused(partitions: readonly TopicPartition[], paused: boolean): void {
    for (const { topic, partition } of partitions) {
      const cursor = this.#cursors.get(partitionKey(topic, partition));
      if (cursor) cursor.paused = paused;
    }
  }

  /** Takes what is ready, in fair shares. Throws before anything is taken, so an error moves no position. */
  #take({ maxRecords, maxBytes }: PollOptions): RecordBatch[] {
    const ready = this.#active().filter((cursor) => cursor.prepare());
    return takeFairly(ready, maxRecords, this.#turn++, maxBytes);
  }

  #readAhead(): readonly Promise<void>[] {
    const active = this.#active();
    const bytes = Math.min(AHEAD_BYTES, Math.max(1, TOTAL_AHEAD_BYTES / Math.max(active.length, 1)));
    return active.flatMap((cursor) => cursor.fetch(bytes) ?? []);
  }

  #active(): LogCursor[] {
    return [...this.#cursors.values()].filter((cursor) => !cursor.paused);
  }

  /** Waits until an append, seek or wakeup, until the work is done, or until the time is over. */
  #wait(work: Promise<unknown> | undefined, ms: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      let cancel: (() => void) | undefined;
      const done = (): void => {
        cancel?.();
        this.#waiting.delete(done);
        resolve();
      };
      this.#waiting.add(done);
      if (ms !== undefined && Number.isFinite(ms)) cancel = this.#clock.after(ms, done);
      void work?.then(done);
    });
  }
}
