import { type PartitionOffset, partitionKey } from '../port.js';
import type { Draft } from './commit-queue.js';
import type { PartitionLog, TopicLog } from './partition-log.js';
import type { StoredOffset } from './storage.js';

interface Committed extends PartitionOffset {
  readonly topicId: number;
}

/** An offset to commit, its partition resolved. */
export interface ResolvedOffset {
  readonly log: PartitionLog;
  readonly offset: number;
}

/** The committed offsets of all groups, as of the last write that is on disk. */
export class GroupOffsets {
  readonly #groups = new Map<string, Map<string, Committed>>();

  of(groupId: string): readonly PartitionOffset[] {
    return [...(this.#groups.get(groupId)?.values() ?? [])].map(({ topic, partition, offset }) => ({
      topic,
      partition,
      offset,
    }));
  }

  get(groupId: string, topic: string, partition: number): PartitionOffset | undefined {
    const committed = this.#groups.get(groupId)?.get(partitionKey(topic, partition));
    return committed && { topic, partition, offset: committed.offset };
  }

  prepareCommit(draft: Draft, groupId: string, offsets: readonly ResolvedOffset[]): void {
    for (const { log, offset } of offsets)
      draft.write.offsets.push({ groupId, topicId: log.topicId, partition: log.partition, offset });
  }

  applyCommit(groupId: string, offsets: readonly ResolvedOffset[]): void {
    for (const { log, offset } of offsets) this.restore(groupId, log, offset);
  }

  restore(groupId: string, log: PartitionLog, offset: number): void {
    let group = this.#groups.get(groupId);
    if (!group) {
      group = new Map();
      this.#groups.set(groupId, group);
    }
    const topic = log.topic.name;
    group.set(partitionKey(topic, log.partition), { topicId: log.topicId, topic, partition: log.partition, offset });
  }

  prepareForget(draft: Draft, groupId: string): void {
    for (const { topicId, partition, offset } of this.#groups.get(groupId)?.values() ?? [])
      draft.write.removedOffsets.push({ groupId, topicId, partition, offset });
  }

  forget(groupId: string): void {
    this.#groups.delete(groupId);
  }

  /** Adds the removal of a topic's offsets in all groups, as Kafka does when a topic is deleted. */
  prepareForgetTopic(draft: Draft, topic: TopicLog): void {
    const removed: StoredOffset[] = draft.write.removedOffsets;
    for (const [groupId, group] of this.#groups) {
      for (const { topicId, partition, offset } of group.values())
        if (topicId === topic.stored.topicId) removed.push({ groupId, topicId, partition, offset });
    }
  }

  forgetTopic(topic: TopicLog): void {
    for (const [groupId, group] of this.#groups) {
      for (const [key, committed] of group) if (committed.topicId === topic.stored.topicId) group.delete(key);
      if (group.size === 0) this.#groups.delete(groupId);
    }
  }
}
