import type { TopicPartition, Touches } from '../broker/port.js';
import { changelogTopic } from '../graph/naming.js';
import type { TaskOptions } from './task-options.js';
import { internalTopics, neededTopics } from './topic-uses.js';

/** What the transactions of a task may have touched, whoever ran it before. */
export function touchesOf(
  { topology, config, stores, partition }: Pick<TaskOptions, 'topology' | 'config' | 'stores' | 'partition'>,
  sources: readonly TopicPartition[],
): Touches {
  const { applicationId, generation } = config;
  const own = stores.map(({ name }) => ({ topic: changelogTopic(generation.prefix, name), partition }));
  // The changelogs of others are none of its own.
  const internal = internalTopics(topology.graph, config).filter(({ subTopology }) => subTopology === undefined);
  const written = [...neededTopics(topology.graph), ...internal].filter(({ operations }) =>
    operations.includes('Write'),
  );
  return { groupId: applicationId, sources, own, topics: [...new Set(written.map(({ name }) => name))] };
}
