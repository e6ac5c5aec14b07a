import { type PartitionOffset, partitionKey } from '../port.js';
import type { Draft } from './commit-queue.js';
import type { PartitionLog, TopicLog } from './partition-log.js';
import type { StoredOffset } from './storage.js';

interface Committed extends PartitionOffset {
  readonly topicId: number;
  readonly metadata: string;
}

const toPosition = ({ topic, partition, offset, metadata }: Committed): PartitionOffset =>
  metadata === '' ? { topic, partition, offset } : { topic, partition, offset, metadata };

/** An offset to commit, with its partition resolved. */
export interface ResolvedOffset {
  readonly log: PartitionLog;
  readonly offset: number;
  readonly metadata: string;
}

/** The committed offsets of all groups, as of the last completed write. */
export class CommittedOffsets {
  readonly #groups = new Map<string, Map<string, Committed>>();

  of(groupId: string): readonly PartitionOffset[] {
    return [...(this.#groups.get(groupId)?.values() ?? [])].map(toPosition);
  }

  get(groupId: string, topic: string, partition: number): PartitionOffset | undefined {
    const committed = this.#groups.get(groupId)?.get(partitionKey(topic, partition));
    return committed && toPosition(committed);
  }

  prepareCommit(draft: Draft, groupId: string, offsets: readonly ResolvedOffset[]): void {
    for (const { log, offset, metadata } of offsets)
      draft.write.offsets.push({ groupId, topicId: log.topicId, partition: log.partition, offset, metadata });
  }

  applyCommit(groupId: string, offsets: readonly ResolvedOffset[]): void {
    for (const { log, offset, metadata } of offsets) this.restore(groupId, log, offset, metadata);
  }

  restore(groupId: string, log: PartitionLog, offset: number, metadata: string): void {
    let group = this.#groups.get(groupId);
    if (!group) {
      group = new Map();
      this.#groups.set(groupId, group);
    }
    const topic = log.topic.name;
    const { topicId, partition } = log;
    group.set(partitionKey(topic, partition), { topicId, topic, partition, offset, metadata });
  }

  prepareForget(draft: Draft, groupId: string): void {
    for (const { topicId, partition, offset, metadata } of this.#groups.get(groupId)?.values() ?? [])
      draft.write.removedOffsets.push({ groupId, topicId, partition, offset, metadata });
  }

  forget(groupId: string): void {
    this.#groups.delete(groupId);
  }

  /** Removes a topic's offsets in all groups, as Kafka does when a topic is deleted. */
  prepareForgetTopic(draft: Draft, topic: TopicLog): void {
    const removed: StoredOffset[] = draft.write.removedOffsets;
    for (const [groupId, group] of this.#groups) {
      for (const { topicId, partition, offset, metadata } of group.values())
        if (topicId === topic.stored.topicId) removed.push({ groupId, topicId, partition, offset, metadata });
    }
  }

  forgetTopic(topic: TopicLog): void {
    for (const [groupId, group] of this.#groups) {
      for (const [key, committed] of group) if (committed.topicId === topic.stored.topicId) group.delete(key);
      if (group.size === 0) this.#groups.delete(groupId);
    }
  }
}
