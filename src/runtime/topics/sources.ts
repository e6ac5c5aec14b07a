import { type Admin, type PartitionOffset, partitionKey, type TopicPartition } from '../../broker/port.js';
import type { Graph, SubTopology } from '../../graph/graph.js';
import { internalInputTopic, repartitionTopic } from '../../graph/naming.js';
import type { TopicCounts } from './topics.js';

/** The partitions that a task reads: its own partition of each topic that has it. */
export function sourcePartitions(
  subTopology: SubTopology,
  prefix: string,
  partition: number,
  topics: TopicCounts,
): readonly TopicPartition[] {
  const internal = [
    ...subTopology.repartitions.map((name) => repartitionTopic(prefix, name)),
    ...(subTopology.internalInputs ?? []).map((input) => internalInputTopic(prefix, input)),
  ];
  return [...subTopology.topics, ...internal]
    .filter((topic) => partition < topics.count(topic))
    .map((topic) => ({ topic, partition }));
}

export const offsetsOf = (positions: readonly PartitionOffset[]): ReadonlyMap<string, number> =>
  new Map(positions.map(({ topic, offset }) => [topic, offset]));

/** Positions as a text: equal for equal positions, whatever their metadata. */
export const positionsText = (positions: readonly PartitionOffset[]): string =>
  positions
    .map(({ topic, partition, offset }) => `${partitionKey(topic, partition)} ${offset}`)
    .sort()
    .join('\n');

/**
 * Where a task begins to read: at the committed offsets. Partitions without one begin at their start or their
 * end.
 */
export async function startPositions(
  admin: Admin,
  sources: readonly TopicPartition[],
  committed: readonly PartitionOffset[],
  others: 'earliest' | 'latest' = 'earliest',
): Promise<PartitionOffset[]> {
  const known = new Map(committed.map((position) => [position.topic, position]));
  const missing = sources.filter(({ topic }) => !known.has(topic));
  const fresh = missing.length === 0 ? [] : await admin[`${others}Offsets`](missing);
  const start = new Map(fresh.map((position) => [position.topic, position]));
  return sources.map(({ topic }) => (known.get(topic) ?? start.get(topic)) as PartitionOffset);
}

/** What an application has committed of the topics that it reads and does not make itself. */
export async function committedSources(
  { subTopologies }: Graph,
  admin: Admin,
  groupId: string,
): Promise<readonly PartitionOffset[]> {
  const topics = new Set(subTopologies.flatMap((sub) => sub.topics));
  return (await admin.groupOffsets(groupId)).filter(({ topic }) => topics.has(topic));
}
