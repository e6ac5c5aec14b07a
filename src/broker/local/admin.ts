import { StreamsError } from '../../model/errors.js';
import type { Admin, BrokerRecord, PartitionOffset, TopicDescription, TopicPartition, TopicSpec } from '../port.js';
import { decodeHead, decodeRecords } from '../record-batch/decoder.js';
import type { Groups } from './group.js';
import type { Log } from './log.js';
import type { PartitionLog } from './partition-log.js';
import { trimBefore } from './retention.js';

/** Batches per read in a search by time. */
const SEARCH_BATCHES = 4;

/** Topics and offsets of the local log. `replicationFactor` is ignored: there is one copy. */
export class LocalAdmin implements Admin {
  readonly #log: Log;
  readonly #groups: Groups;

  constructor(log: Log, groups: Groups) {
    this.#log = log;
    this.#groups = groups;
  }

  createTopics(topics: readonly TopicSpec[], options: { readonly validateOnly?: boolean } = {}): Promise<void> {
    return this.#log.createTopics(topics, options);
  }

  async describeTopics(names?: readonly string[]): Promise<readonly TopicDescription[]> {
    const topics = names ? [...new Set(names)].flatMap((name) => this.#log.topic(name) ?? []) : [...this.#log.topics()];
    return topics.map(({ stored: { id, name, partitions, config }, settings }) => ({
      id,
      name,
      partitions,
      config,
      maxMessageBytes: settings.maxMessageBytes,
      ...(settings.compact && {
        compaction: { deleteRetentionMs: settings.deleteRetentionMs, minLagMs: settings.minCompactionLagMs },
      }),
    }));
  }

  configureTopics(topics: readonly Pick<TopicSpec, 'name' | 'config'>[]): Promise<void> {
    return this.#log.configureTopics(topics);
  }

  deleteTopics(names: readonly string[]): Promise<void> {
    return this.#log.deleteTopics(names);
  }

  async earliestOffsets(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]> {
    return this.#offsets(partitions, (log) => log.state.earliest);
  }

  async latestOffsets(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]> {
    return this.#offsets(partitions, (log) => log.state.next);
  }

  /**
   * Cost: about log2(batches) reads per partition, and the batches from the first that may hold such a
   * record.
   */
  async offsetsAt(partitions: readonly TopicPartition[], timestamp: number): Promise<readonly PartitionOffset[]> {
    const logs = partitions.map(({ topic, partition }) => this.#log.partition(topic, partition));
    return Promise.all(
      logs.map(async (log) => ({
        topic: log.topic.name,
        partition: log.partition,
        offset: await this.#offsetAt(log, timestamp),
      })),
    );
  }

  async deleteRecords(before: readonly PartitionOffset[]): Promise<void> {
    const found = before.map(({ topic, partition, offset }) => ({
      log: this.#log.partition(topic, partition),
      offset,
    }));
    for (const { log, offset } of found) {
      if (offset <= log.state.next) continue;
      throw new StreamsError('OFFSET_OUT_OF_RANGE', {
        what: 'cannot delete records',
        at: log.where,
        saw: `those before offset ${offset}`,
        expected: `at most ${log.state.next}, the end of the log`,
        action: 'Use an offset that exists.',
      });
    }
    for (const { log, offset } of found) await trimBefore(this.#log, log, offset);
  }

  async groupOffsets(groupId: string): Promise<readonly PartitionOffset[]> {
    await this.#log.queue.barrier();
    return this.#log.offsets.of(groupId);
  }

  async setGroupOffsets(groupId: string, offsets: readonly PartitionOffset[]): Promise<void> {
    await this.#log.queue.submit(
      this.#log.offsetsChange(groupId, offsets, () =>
        this.#groups.checkEmpty(groupId, 'cannot set the offsets of the group'),
      ),
    );
  }

  async groupMembers(groupId: string): Promise<readonly string[]> {
    return this.#groups.members(groupId);
  }

  async deleteGroup(groupId: string): Promise<void> {
    await this.#log.queue.submit({
      sync: true,
      prepare: (draft) => {
        this.#groups.checkEmpty(groupId, 'cannot delete the group');
        this.#log.offsets.prepareForget(draft, groupId);
      },
      apply: () => {
        this.#log.offsets.forget(groupId);
        this.#groups.forget(groupId);
      },
    });
  }

  #offsets(partitions: readonly TopicPartition[], offsetOf: (log: PartitionLog) => number): readonly PartitionOffset[] {
    return partitions.map(({ topic, partition }) => ({
      topic,
      partition,
      offset: offsetOf(this.#log.partition(topic, partition)),
    }));
  }

  async #offsetAt(log: PartitionLog, timestamp: number): Promise<number> {
    const { earliest, next, maxTimestamp } = log.state;
    if (maxTimestamp < timestamp) return next;
    let from = await this.#firstBatchReaching(log, timestamp);
    for (;;) {
      const batches = await this.#log.storage.read(log, from, SEARCH_BATCHES);
      const last = batches.at(-1);
      if (!last) return next;
      for (const batch of batches) {
        const head = decodeHead(batch.bytes, 0, context(log));
        if (head.maxTimestamp < timestamp) continue;
        const records: BrokerRecord[] = [];
        decodeRecords(batch.bytes, 0, head, context(log), earliest, records);
        const found = records.find((record) => record.timestamp >= timestamp && record.offset < next);
        if (found) return found.offset;
      }
      from = last.baseOffset + 1;
    }
  }

  /**
   * The base offset of the first batch at which the highest timestamp so far reaches this time: no earlier
   * batch can hold such a record.
   */
  async #firstBatchReaching(log: PartitionLog, timestamp: number): Promise<number> {
    const { storage } = this.#log;
    let low = (await storage.floor(log, log.state.earliest)) ?? log.state.earliest;
    let high = log.state.next;
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      const base = await storage.floor(log, middle);
      const [batch] = base === undefined || base < low ? [] : await storage.read(log, base, 1);
      if (batch === undefined || batch.maxTimestamp < timestamp) low = middle + 1;
      else high = batch.baseOffset;
    }
    return high;
  }
}

const context = (log: PartitionLog): { topic: string; partition: number } => ({
  topic: log.topic.name,
  partition: log.partition,
});
