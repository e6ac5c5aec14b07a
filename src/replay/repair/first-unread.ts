import { type Broker, type PartitionOffset, partitionKey } from '../../broker/port.js';
import { firstBetween } from '../../runtime/offsets/first-between.js';

/**
 * The first record of the topics that a group has not read, as `topic[partition]@offset`; undefined if it has
 * read everything. Partitions without a position count from their beginning.
 */
export async function firstUnread(
  broker: Broker,
  topics: readonly string[],
  committed: readonly PartitionOffset[],
): Promise<string | undefined> {
  const partitions = (topics.length === 0 ? [] : await broker.admin.describeTopics(topics)).flatMap((topic) =>
    Array.from({ length: topic.partitions }, (_, partition) => ({ topic: topic.name, partition })),
  );
  const known = new Map(committed.map((at) => [partitionKey(at.topic, at.partition), at]));
  const [earliest, latest] = await Promise.all([
    broker.admin.earliestOffsets(partitions),
    broker.admin.latestOffsets(partitions),
  ]);
  return firstBetween(
    broker,
    earliest.map((at) => known.get(partitionKey(at.topic, at.partition)) ?? at),
    latest,
  );
}
