import {
  emptyPartition,
  type PartitionId,
  type PartitionState,
  type StoredBatch,
  type StoredTopic,
} from './storage.js';
import { type LogConfig, logConfig } from './topic-config.js';

/** A topic that exists. */
export class TopicLog {
  readonly partitions: readonly PartitionLog[];
  /** Set once the topic is deleted; readers and writers that still hold the topic check it. */
  deleted = false;

  #stored: StoredTopic;
  #settings: LogConfig;

  constructor(stored: StoredTopic) {
    this.#stored = stored;
    this.#settings = logConfig(stored.config);
    this.partitions = Array.from({ length: stored.partitions }, (_, partition) => new PartitionLog(this, partition));
  }

  get stored(): StoredTopic {
    return this.#stored;
  }

  get settings(): LogConfig {
    return this.#settings;
  }

  get name(): string {
    return this.stored.name;
  }

  /** Replaces the topic's configuration. */
  configure(stored: StoredTopic): void {
    this.#stored = stored;
    this.#settings = logConfig(stored.config);
  }
}

/**
 * One partition: its state as of the last completed write, and its newest batches. Readers that keep up are
 * served from these; the {@link Tail} limits them.
 */
export class PartitionLog implements PartitionId {
  state: PartitionState = emptyPartition();
  /** The newest batches in offset order, without gaps up to `state.next`. */
  readonly tail: StoredBatch[] = [];
  /**
   * When the first tombstone may be dropped; undefined until the first compaction after the log was opened.
   */
  nextDeleteHorizon: number | undefined;
  readonly #listeners = new Set<() => void>();

  constructor(
    readonly topic: TopicLog,
    readonly partition: number,
  ) {}

  get topicId(): number {
    return this.topic.stored.topicId;
  }

  /** For messages: `payments[0]`. */
  get where(): string {
    return `${this.topic.name}[${this.partition}]`;
  }

  /**
   * Calls back after each append and when the topic is deleted; the returned function removes the listener.
   */
  listen(callback: () => void): () => void {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  notify(): void {
    for (const listener of this.#listeners) listener();
  }

  /**
   * The index in the tail of the batch that holds an offset; undefined if the offset is older than the tail.
   */
  tailIndex(offset: number): number | undefined {
    const { tail } = this;
    if (tail.length === 0 || offset < (tail[0] as StoredBatch).baseOffset || offset >= this.state.next)
      return undefined;
    let low = 0;
    let high = tail.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((tail[middle] as StoredBatch).baseOffset <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/**
 * Limit for the newest batches of all partitions together: 32 MiB is about 300,000 records of 100 bytes,
 * enough for readers that lag by seconds.
 */
const TAIL_BYTES = 32 * 1024 * 1024;

/** Limits the bytes in the tails of all partitions of a broker: the oldest batch is dropped first. */
export class Tail {
  // A queue with a moving front: `shift` on a long array would copy it each time.
  #logs: PartitionLog[] = [];
  #front = 0;
  #bytes = 0;

  constructor(readonly maxBytes = TAIL_BYTES) {}

  append(log: PartitionLog, batch: StoredBatch): void {
    log.tail.push(batch);
    this.#logs.push(log);
    this.#bytes += batch.bytes.length;
    while (this.#bytes > this.maxBytes && this.#front < this.#logs.length) this.#dropOldest();
  }

  /** Clears the tail of one partition: after a compaction its batches differ from those in the storage. */
  clear(log: PartitionLog): void {
    for (const batch of log.tail) this.#bytes -= batch.bytes.length;
    if (log.tail.length === 0) return;
    log.tail.length = 0;
    this.#logs = this.#logs.slice(this.#front).filter((other) => other !== log);
    this.#front = 0;
  }

  #dropOldest(): void {
    const batch = (this.#logs[this.#front++] as PartitionLog).tail.shift();
    this.#bytes -= batch?.bytes.length ?? 0;
    if (this.#front > 1024 && this.#front * 2 > this.#logs.length) {
      this.#logs = this.#logs.slice(this.#front);
      this.#front = 0;
    }
  }
}
