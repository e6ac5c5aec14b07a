import type { Clock } from '../model/ports.js';
import { type PartitionOffset, partitionKey, type TopicPartition } from './port.js';

/** How an adapter reads one partition. */
export interface PartitionCursor {
  readonly paused: boolean;
}

/** What an adapter does when a partition is read, and when it is read no more. */
export interface CursorSetOptions<C extends PartitionCursor> {
  readonly clock: Clock;
  open(position: PartitionOffset, paused: boolean): C;
  close(cursor: C): void;
}

/** The partitions of a reader, each with its position, and the polls that wait for their records. */
export class CursorSet<C extends PartitionCursor> {
  readonly #options: CursorSetOptions<C>;
  readonly #cursors = new Map<string, C>();
  readonly #waiting = new Set<() => void>();

  constructor(options: CursorSetOptions<C>) {
    this.#options = options;
  }

  /** Reads a partition from a position. A partition that was paused stays paused. */
  seek(position: PartitionOffset): void {
    const key = partitionKey(position.topic, position.partition);
    const before = this.#cursors.get(key);
    if (before) this.#options.close(before);
    this.#cursors.set(key, this.#options.open(position, before?.paused ?? false));
    this.notify();
  }

  remove(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      const key = partitionKey(topic, partition);
      const cursor = this.#cursors.get(key);
      if (cursor) this.#options.close(cursor);
      this.#cursors.delete(key);
    }
  }

  /** The cursors of these partitions, as far as they are read. */
  of(partitions: readonly TopicPartition[]): readonly C[] {
    return partitions.flatMap(({ topic, partition }) => this.#cursors.get(partitionKey(topic, partition)) ?? []);
  }

  all(): Iterable<C> {
    return this.#cursors.values();
  }

  active(): readonly C[] {
    return [...this.#cursors.values()].filter((cursor) => !cursor.paused);
  }

  closeAll(): void {
    for (const cursor of this.#cursors.values()) this.#options.close(cursor);
    this.#cursors.clear();
    this.notify();
  }

  /** Ends every {@link wait}: there may be records. */
  readonly notify = (): void => {
    for (const done of [...this.#waiting]) done();
  };

  /** Waits until a {@link notify}, until the work is done, or until the time is over. */
  wait(ms: number | undefined, work?: Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      let cancel: (() => void) | undefined;
      const done = (): void => {
        cancel?.();
        this.#waiting.delete(done);
        resolve();
      };
      this.#waiting.add(done);
      if (ms !== undefined && Number.isFinite(ms)) cancel = this.#options.clock.after(ms, done);
      void work?.then(done);
    });
  }
}
