import { type Log, unknownLogPartition } from '../local/log.js';
import type { PartitionLog } from '../local/partition-log.js';
import type { StoredBatch } from '../local/storage.js';
import { partitionKey, type TopicPartition } from '../port.js';
import type { PartitionCall, PartitionSeen, ReadState, TopicSeen } from './protocol.js';

/** Bytes of batches in one answer: eight full ones. A larger batch is sent alone. */
const ANSWER_BYTES = 1024 * 1024;

interface ReadAnswer {
  readonly value: ReadState;
  readonly parts: readonly Buffer[];
}

/**
 * The log as one client reads it. The client watches partitions: it is told when they grow, once for
 * everything that one write has changed. Batches are sent as they are stored; the client decodes them.
 */
export class ServedLog {
  readonly #log: Log;
  readonly #told: (moved: readonly PartitionSeen[]) => void;
  readonly #drained: () => Promise<unknown> | undefined;
  readonly #watched = new Map<string, () => void>();
  readonly #moved = new Map<string, TopicPartition>();

  /**
   * @param told Called with partitions that have moved.
   * @param drained Resolves when the client has read what it was sent: one that is stopped is told no more.
   */
  constructor(log: Log, told: (moved: readonly PartitionSeen[]) => void, drained: () => Promise<unknown> | undefined) {
    this.#log = log;
    this.#told = told;
    this.#drained = drained;
  }

  /** Watches a partition, and returns how far it goes. */
  watch(at: TopicPartition): PartitionSeen {
    const key = partitionKey(at.topic, at.partition);
    this.#watched.get(key)?.();
    const log = this.#log.find(at.topic, at.partition);
    if (log)
      this.#watched.set(
        key,
        log.listen(() => this.#move(key, at)),
      );
    else this.#watched.delete(key);
    return this.#seen(at);
  }

  unwatch({ topic, partition }: TopicPartition): void {
    const key = partitionKey(topic, partition);
    this.#watched.get(key)?.();
    this.#watched.delete(key);
    this.#moved.delete(key);
  }

  close(): void {
    for (const stop of this.#watched.values()) stop();
    this.#watched.clear();
    this.#moved.clear();
  }

  async floor({ topic, partition, topicId, from }: PartitionCall): Promise<number | null> {
    return (await this.#log.storage.floor(this.#find(topic, partition, topicId), from)) ?? null;
  }

  /** Batches in offset order, from the first that begins at or after an offset. */
  async read({
    topic,
    partition,
    topicId,
    from,
    limit,
  }: PartitionCall & { readonly limit: number }): Promise<ReadAnswer> {
    const log = this.#find(topic, partition, topicId);
    const stored = fromTail(log, from, limit) ?? (await this.#log.storage.read(log, from, limit));
    const batches: { readonly baseOffset: number; readonly maxTimestamp: number }[] = [];
    const parts: Buffer[] = [];
    let bytes = 0;
    for (const { baseOffset, maxTimestamp, bytes: batch } of stored) {
      if (bytes > 0 && bytes + batch.length > ANSWER_BYTES) break;
      bytes += batch.length;
      batches.push({ baseOffset, maxTimestamp });
      parts.push(batch);
    }
    const { earliest, next } = log.state;
    return { value: { earliest, next, batches }, parts };
  }

  topics(names: readonly string[]): readonly TopicSeen[] {
    return names.flatMap((name) => {
      const topic = this.#log.topic(name);
      if (!topic) return [];
      const { topicId, partitions, config } = topic.stored;
      return [{ name, topicId, partitions, config }];
    });
  }

  #find(topic: string, partition: number, topicId: number): PartitionLog {
    const log = this.#log.find(topic, partition);
    if (!log || log.topicId !== topicId) throw unknownLogPartition(topic, partition, this.#log.topic(topic));
    return log;
  }

  #seen({ topic, partition }: TopicPartition): PartitionSeen {
    const width = this.#log.topic(topic)?.stored.partitions ?? 0;
    const log = this.#log.find(topic, partition);
    if (!log) return { topic, partition, earliest: 0, next: 0, width };
    const { earliest, next } = log.state;
    return { topic, partition, topicId: log.topicId, earliest, next, width };
  }

  #move(key: string, at: TopicPartition): void {
    if (this.#moved.size === 0) queueMicrotask(() => void this.#tell());
    this.#moved.set(key, at);
  }

  async #tell(): Promise<void> {
    const draining = this.#drained();
    if (draining) await draining;
    const moved = [...this.#moved.values()].map((at) => this.#seen(at));
    this.#moved.clear();
    if (moved.length > 0) this.#told(moved);
  }
}

/**
 * Batches of the tail, from the first that begins at or after an offset. Undefined: the tail does not reach
 * back.
 */
function fromTail(log: PartitionLog, from: number, limit: number): readonly StoredBatch[] | undefined {
  const index = log.tailIndex(from);
  if (index === undefined) return undefined;
  const start = (log.tail[index] as StoredBatch).baseOffset < from ? index + 1 : index;
  return log.tail.slice(start, start + limit);
}
