import { StreamsError } from '../../model/errors.js';
import type { Clock } from '../../model/ports.js';
import type { PartitionOffset, TopicSpec } from '../port.js';
import { setBaseOffset } from '../record-batch/encoder.js';
import { CommitQueue, type Draft, type LogChange } from './commit-queue.js';
import { CommittedOffsets, type ResolvedOffset } from './group-offsets.js';
import { type PartitionLog, Tail, TopicLog } from './partition-log.js';
import type { LogStorage, StoredBatch, StoredTopic } from './storage.js';
import { checkTopic } from './topic-config.js';
import type { OutgoingBatch } from './writable-log.js';

/**
 * The log itself: topics, partitions, committed offsets, and the queue for all their changes. One per broker,
 * shared by all its connections. Its state in memory is the result of the last completed write, so nothing is
 * visible before it is stored.
 */
export class Log {
  readonly offsets = new CommittedOffsets();
  readonly queue: CommitQueue;
  readonly tail = new Tail();
  readonly #topics = new Map<string, TopicLog>();
  #nextTopicId = 1;
  #watchers = new Set<(topics: readonly string[]) => void>();

  readonly #clock: Clock;

  constructor(
    readonly storage: LogStorage,
    clock: Clock,
  ) {
    this.#clock = clock;
    this.queue = new CommitQueue(storage);
  }

  /** A log with the content of the storage. */
  static async open(storage: LogStorage, clock: Clock): Promise<Log> {
    const log = new Log(storage, clock);
    const { topics, partitions, offsets, nextTopicId } = await storage.load();
    log.#nextTopicId = nextTopicId;
    const byId = new Map<number, TopicLog>();
    for (const stored of topics) {
      const topic = new TopicLog(stored);
      byId.set(stored.topicId, topic);
      log.#topics.set(stored.name, topic);
    }
    for (const { topicId, partition, state } of partitions) {
      const at = byId.get(topicId)?.partitions[partition];
      if (at) at.state = state;
    }
    for (const { groupId, topicId, partition, offset, metadata } of offsets) {
      const at = byId.get(topicId)?.partitions[partition];
      if (at) log.offsets.restore(groupId, at, offset, metadata);
    }
    return log;
  }

  topics(): Iterable<TopicLog> {
    return this.#topics.values();
  }

  topic(name: string): TopicLog | undefined {
    return this.#topics.get(name);
  }

  find(topic: string, partition: number): PartitionLog | undefined {
    return this.#topics.get(topic)?.partitions[partition];
  }

  /** The partition; TOPIC_UNKNOWN if there is none. */
  partition(topic: string, partition: number): PartitionLog {
    const log = this.find(topic, partition);
    if (!log) throw unknownLogPartition(topic, partition, this.#topics.get(topic));
    return log;
  }

  /** Offsets with their partitions resolved; TOPIC_UNKNOWN or CONFIG_INVALID for the first invalid one. */
  resolve(offsets: readonly PartitionOffset[]): readonly ResolvedOffset[] {
    return offsets.map(({ topic, partition, offset, metadata = '' }) => {
      const log = this.partition(topic, partition);
      if (!Number.isSafeInteger(offset) || offset < 0) {
        throw new StreamsError('CONFIG_INVALID', {
          what: 'cannot commit an offset',
          at: log.where,
          saw: String(offset),
          expected: 'a whole number from 0',
          action: 'Commit the offset of the next record to read.',
        });
      }
      if (Buffer.byteLength(metadata) > MAX_METADATA_BYTES) throw longMetadata(log.where, metadata);
      return { log, offset, metadata };
    });
  }

  /** Calls back with the names of topics that were created or deleted. The returned function ends that. */
  watchTopics(callback: (topics: readonly string[]) => void): () => void {
    this.#watchers.add(callback);
    return () => this.#watchers.delete(callback);
  }

  async createTopics(specs: readonly TopicSpec[], { validateOnly = false } = {}): Promise<void> {
    for (const spec of specs) checkTopic(spec);
    const names = specs.map((spec) => spec.name);
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined) {
      throw new StreamsError('CONFIG_INVALID', {
        what: 'cannot create topics',
        at: twice,
        saw: 'the name twice',
        expected: 'each name once',
        action: 'Leave one of them out.',
      });
    }
    if (specs.length === 0) return;
    const checkNew = (): void => {
      const existing = names.filter((name) => this.#topics.has(name));
      if (existing.length > 0) throw topicsExist(existing);
    };
    if (validateOnly) return checkNew();
    let created: readonly TopicLog[] = [];
    await this.queue.submit({
      sync: true,
      alone: true,
      prepare: (draft) => {
        checkNew();
        // The number distinguishes it from others of this log, the time from topics of earlier logs here.
        const at = this.#clock.now();
        created = specs.map(({ name, partitions, config }) => {
          const topicId = this.#nextTopicId++;
          return new TopicLog({ topicId, id: `${at}-${topicId}`, name, partitions, config: { ...config } });
        });
        for (const topic of created) {
          draft.write.topics.push(topic.stored);
          for (const partition of topic.partitions) draft.stateOf(partition);
        }
      },
      apply: () => {
        for (const topic of created) this.#topics.set(topic.name, topic);
      },
    });
    for (const watcher of this.#watchers) watcher(names);
  }

  async configureTopics(changes: readonly Pick<TopicSpec, 'name' | 'config'>[]): Promise<void> {
    let changed: readonly (readonly [TopicLog, StoredTopic])[] = [];
    await this.queue.submit({
      sync: true,
      alone: true,
      prepare: (draft) => {
        const missing = changes.filter(({ name }) => !this.#topics.has(name));
        if (missing.length > 0) throw unknownTopics(missing.map(({ name }) => name));
        changed = changes.map(({ name, config }) => {
          const topic = this.#topics.get(name) as TopicLog;
          const stored = { ...topic.stored, config: { ...topic.stored.config, ...config } };
          checkTopic(stored);
          return [topic, stored];
        });
        for (const [, stored] of changed) draft.write.topics.push(stored);
      },
      apply: () => {
        for (const [topic, stored] of changed) topic.configure(stored);
      },
    });
  }

  async deleteTopics(names: readonly string[]): Promise<void> {
    let missing: readonly string[] = [];
    let doomed: readonly TopicLog[] = [];
    await this.queue.submit({
      sync: true,
      alone: true,
      prepare: (draft) => {
        const wanted = [...new Set(names)];
        doomed = wanted.flatMap((name) => this.#topics.get(name) ?? []);
        missing = wanted.filter((name) => !this.#topics.has(name));
        for (const topic of doomed) {
          draft.write.removedTopics.push(topic.stored);
          this.offsets.prepareForgetTopic(draft, topic);
        }
      },
      apply: () => {
        for (const topic of doomed) this.#forget(topic);
      },
    });
    if (doomed.length > 0) for (const watcher of this.#watchers) watcher(doomed.map((topic) => topic.name));
    await this.storage.sweep();
    if (missing.length > 0) throw unknownTopics(missing);
  }

  /**
   * Adds a batch to a write; the partition's next offset becomes its base offset. The caller has checked that
   * the topic exists.
   */
  prepareAppend(draft: Draft, batch: OutgoingBatch): StoredBatch {
    const { log, bytes, count } = batch;
    const state = draft.stateOf(log);
    const baseOffset = state.next;
    setBaseOffset(bytes, baseOffset);
    state.maxTimestamp = Math.max(state.maxTimestamp, batch.maxTimestamp);
    state.next += count;
    state.bytes += bytes.length;
    state.dirtyBytes += bytes.length;
    const stored = {
      topicId: log.topicId,
      partition: log.partition,
      baseOffset,
      maxTimestamp: state.maxTimestamp,
      bytes,
    };
    draft.write.batches.push(stored);
    return stored;
  }

  /** Called after the write: makes the batch readable. */
  applyAppend(log: PartitionLog, stored: StoredBatch): void {
    this.tail.append(log, stored);
    log.notify();
  }

  /**
   * A change that commits offsets of a group, unless `check` throws, which is called just before the write.
   */
  offsetsChange(groupId: string, offsets: readonly PartitionOffset[], check: () => void): LogChange {
    let resolved: readonly ResolvedOffset[] = [];
    return {
      sync: true,
      prepare: (draft) => {
        check();
        resolved = this.resolve(offsets);
        this.offsets.prepareCommit(draft, groupId, resolved);
      },
      apply: () => this.offsets.applyCommit(groupId, resolved),
    };
  }

  #forget(topic: TopicLog): void {
    this.#topics.delete(topic.name);
    this.offsets.forgetTopic(topic);
    topic.deleted = true;
    for (const partition of topic.partitions) {
      this.tail.clear(partition);
      partition.notify();
    }
  }
}

export function unknownLogPartition(
  topic: string,
  partition: number,
  existing: { readonly stored: Pick<StoredTopic, 'partitions'> } | undefined,
): StreamsError {
  return new StreamsError('TOPIC_UNKNOWN', {
    what: 'there is no such partition',
    at: `${topic}[${partition}]`,
    saw: existing ? `a topic of ${existing.stored.partitions} partitions` : 'no topic of that name',
    expected: 'a partition that exists',
    action: 'Create the topic, or correct its name or the partition.',
  });
}

function unknownTopics(names: readonly string[]): StreamsError {
  return new StreamsError('TOPIC_UNKNOWN', {
    what: 'there are no such topics',
    at: names.join(', '),
    saw: 'no topics of these names',
    expected: 'topics that exist',
    action: 'Create them, or correct their names.',
  });
}

function topicsExist(names: readonly string[]): StreamsError {
  return new StreamsError('TOPIC_EXISTS', {
    what: 'cannot create topics',
    at: names.join(', '),
    saw: 'topics of these names',
    expected: 'none',
    action: 'Delete them first, or leave them as they are.',
  });
}

/** Kafka's own default, `offset.metadata.max.bytes`. */
const MAX_METADATA_BYTES = 4_096;

const longMetadata = (where: string, metadata: string): StreamsError =>
  new StreamsError('CONFIG_INVALID', {
    what: 'cannot commit an offset with its metadata',
    at: where,
    saw: `${Buffer.byteLength(metadata)} bytes`,
    expected: `at most ${MAX_METADATA_BYTES}`,
    action: 'Shorten it.',
  });
