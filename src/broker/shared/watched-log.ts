import { messageOf } from '../../model/errors.js';
import { type Clock, type Logger, sleep } from '../../model/ports.js';
import type { ReadableLog, ReadablePartition } from '../local/readable-log.js';
import type { StoredBatch } from '../local/storage.js';
import { partitionKey, type TopicPartition } from '../port.js';
import type { Link } from './link.js';
import type { PartitionSeen } from './protocol.js';

/** Pause between attempts to find out how far partitions go, while no process serves the broker. */
const RETRY_MS = 1_000;

/** One partition of the log of another process, as its readers see it. */
export class WatchedPartition implements ReadablePartition {
  readonly topic = { deleted: false };
  /** The other process has the newest batches in memory; this one asks for them. */
  readonly tail: readonly StoredBatch[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #unused: (partition: WatchedPartition) => void;

  constructor(
    readonly at: TopicPartition,
    readonly topicId: number,
    public state: { readonly earliest: number; readonly next: number },
    unused: (partition: WatchedPartition) => void,
  ) {
    this.#unused = unused;
  }

  get where(): string {
    return `${this.at.topic}[${this.at.partition}]`;
  }

  tailIndex(): undefined {
    return undefined;
  }

  listen(callback: () => void): () => void {
    this.#listeners.add(callback);
    return () => {
      if (this.#listeners.delete(callback) && this.#listeners.size === 0) this.#unused(this);
    };
  }

  notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/**
 * The log of the process that serves the broker, as the readers of this one see it. It is told how far the
 * partitions go that somebody reads, and asks for batches when they are needed. When another process serves
 * the broker, it asks that one: readers notice nothing.
 */
export class WatchedLog implements ReadableLog<WatchedPartition> {
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #partitions = new Map<string, WatchedPartition>();
  /** Partition counts of topics, for messages. */
  readonly #widths = new Map<string, number>();
  #closed = false;

  constructor(link: Link, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#link = link;
    this.#clock = clock;
    this.#logger = logger;
    link.onLost(() => void this.#watchAgain());
  }

  find(topic: string, partition: number): WatchedPartition | undefined {
    return this.#partitions.get(partitionKey(topic, partition));
  }

  topic(name: string): { readonly stored: { readonly partitions: number } } | undefined {
    const partitions = this.#widths.get(name) ?? 0;
    return partitions === 0 ? undefined : { stored: { partitions } };
  }

  async lookUp(topic: string, partition: number): Promise<void> {
    const { value } = await this.#link.ask('watch', { topic, partition });
    this.#see(value);
  }

  readonly storage = {
    floor: async ({ at, topicId }: WatchedPartition, from: number): Promise<number | undefined> =>
      (await this.#link.ask('floor', { ...at, topicId, from })).value ?? undefined,

    read: async (partition: WatchedPartition, from: number, limit: number): Promise<readonly StoredBatch[]> => {
      const { at, topicId } = partition;
      const { value, parts } = await this.#link.ask('read', { ...at, topicId, from, limit });
      const { earliest, next, batches } = value;
      partition.state = { earliest, next };
      return batches.map((batch, i) => ({ ...batch, bytes: parts[i] as Buffer }));
    },
  };

  /** What the serving process tells of partitions. */
  moved(all: readonly PartitionSeen[]): void {
    for (const seen of all) this.#see(seen);
  }

  close(): void {
    this.#closed = true;
    this.#partitions.clear();
  }

  #see({ topic, partition, topicId, earliest, next, width }: PartitionSeen): void {
    const key = partitionKey(topic, partition);
    this.#widths.set(topic, width);
    const known = this.#partitions.get(key);
    if (known?.topicId === topicId && known) known.state = { earliest, next };
    else {
      this.#partitions.delete(key);
      if (known) known.topic.deleted = true;
      if (topicId !== undefined)
        this.#partitions.set(key, this.#watched({ topic, partition }, topicId, { earliest, next }));
    }
    known?.notify();
  }

  #watched(at: TopicPartition, topicId: number, state: WatchedPartition['state']): WatchedPartition {
    return new WatchedPartition(at, topicId, state, (partition) => {
      const key = partitionKey(at.topic, at.partition);
      if (this.#partitions.get(key) !== partition) return;
      this.#partitions.delete(key);
      this.#link.tell('unwatch', at);
    });
  }

  /** Partitions that somebody reads must not stand still because nobody tells of them. */
  async #watchAgain(): Promise<void> {
    for (const { at } of [...this.#partitions.values()]) {
      while (!this.#closed) {
        try {
          await this.lookUp(at.topic, at.partition);
          break;
        } catch (error) {
          this.#logger.warn({ error: messageOf(error) }, 'no process serves the embedded broker; trying again');
          await sleep(this.#clock, RETRY_MS);
        }
      }
    }
  }
}
