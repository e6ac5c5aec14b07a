import type { Topology } from '../../dsl/contract/processor.js';
import type { EngineConfig, EnginePorts } from '../config/config.js';
import { type RetryOptions, withRetry } from '../config/retry.js';
import { SerdeBindings, serdeConfig } from '../config/serde-bindings.js';
import { type PlannedTask, plannedTasks } from '../topics/planned-tasks.js';
import { prepareTopics, type TopicCounts } from '../topics/topics.js';
import { warnOfNewStores } from './new-stores.js';

/** The current topics of an application, and the tasks that follow from them, by id. */
export interface TaskPlan {
  readonly topics: TopicCounts;
  readonly tasks: ReadonlyMap<string, PlannedTask>;
}

/** Checks the topics, and creates missing internal ones. */
export async function planTasks(
  topology: Topology,
  config: EngineConfig,
  ports: EnginePorts,
  retryOptions: RetryOptions,
): Promise<TaskPlan> {
  const { admin } = ports.broker;
  const topics = await prepareTopics(admin, topology.graph, config);
  // Only this call has the list of topics that were just created: a cluster that does not answer must not
  // lose it.
  await withRetry('looking at the offsets of the group', retryOptions, () =>
    warnOfNewStores(admin, topology.graph, config, topics.created),
  );
  const serdes = new SerdeBindings(serdeConfig(config, ports));
  const tasks = plannedTasks(topology, config.version.prefix, topics, serdes.bind);
  await serdes.open();
  return { topics, tasks };
}
