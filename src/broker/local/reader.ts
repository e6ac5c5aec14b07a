import type { Clock } from '../../model/ports.js';
import { CursorSet } from '../cursor-set.js';
import { takeFairly } from '../fair-shares.js';
import type { PartitionOffset, PollOptions, Reader, RecordBatch, TopicPartition } from '../port.js';
import { closedBroker } from './commit-queue.js';
import { LogCursor } from './cursor.js';
import type { ReadableLog, ReadablePartition } from './readable-log.js';

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
export class LocalReader<P extends ReadablePartition = ReadablePartition> implements Reader {
  readonly #clock: Clock;
  readonly #onClose: (reader: Reader) => void;
  readonly #cursors: CursorSet<LogCursor<P>>;
  #turn = 0;
  #woken = false;
  #closed = false;

  constructor(log: ReadableLog<P>, clock: Clock, onClose: (reader: Reader) => void) {
    this.#clock = clock;
    this.#onClose = onClose;
    this.#cursors = new CursorSet({
      clock,
      open: (position, paused) => {
        const cursor = new LogCursor(log, position, this.#cursors.notify);
        cursor.paused = paused;
        return cursor;
      },
      close: (cursor) => cursor.close(),
    });
  }

  seek(position: PartitionOffset): void {
    if (this.#closed) throw closedBroker();
    this.#cursors.seek(position);
  }

  remove(partitions: readonly TopicPartition[]): void {
    this.#cursors.remove(partitions);
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const cursor of this.#cursors.of(partitions)) cursor.paused = true;
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const cursor of this.#cursors.of(partitions)) cursor.paused = false;
    this.#cursors.notify();
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
      if (fetches.length > 0) await this.#cursors.wait(undefined, Promise.all(fetches));
      else if (remaining > 0) await this.#cursors.wait(remaining);
      else return batches;
    }
  }

  wakeup(): void {
    this.#woken = true;
    this.#cursors.notify();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cursors.closeAll();
    this.#onClose(this);
  }

  /** Takes what is ready, in fair shares. Throws before anything is taken, so an error moves no position. */
  #take({ maxRecords, maxBytes }: PollOptions): RecordBatch[] {
    const ready = this.#cursors.active().filter((cursor) => cursor.prepare());
    return takeFairly(ready, maxRecords, this.#turn++, maxBytes);
  }

  #readAhead(): readonly Promise<void>[] {
    const active = this.#cursors.active();
    const bytes = Math.min(AHEAD_BYTES, Math.max(1, TOTAL_AHEAD_BYTES / Math.max(active.length, 1)));
    return active.flatMap((cursor) => cursor.fetch(bytes) ?? []);
  }
}
