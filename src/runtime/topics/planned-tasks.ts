import { DECLARE, type Declaration, type PushScope, type Topology } from '../../dsl/contract/processor.js';
import type { SubTopology } from '../../graph/graph.js';
import { internalInputTopic, repartitionTopic, taskId } from '../../graph/naming.js';
import type { StoreSpec } from '../../state/contract.js';
import { identityPath } from '../../state/directory/directory.js';
import { diskIdentityFiles } from '../../state/directory/identity-files.js';
import type { EnginePorts } from '../config/config.js';
import { type TopicCounts, tasksOf } from './topics.js';

/** A possible task: one sub-topology on one partition, and its stores. */
export interface PlannedTask {
  readonly id: string;
  readonly subTopology: SubTopology;
  readonly partition: number;
  readonly stores: readonly StoreSpec[];
}

/** All possible tasks of a topology, and their topics. */
export interface PlannedTopology {
  readonly topology: Topology;
  readonly tasks: ReadonlyMap<string, PlannedTask>;
  readonly topics: TopicCounts;
  readonly prefix: string;
}

/**
 * The topology's nodes, for inspection only: no record is ever pushed. With `bind`, their serdes can be used
 * after they are open.
 */
export const declaredNodes = (topology: Topology, bind?: PushScope['bind']): Declaration =>
  topology[DECLARE]({
    pushing: false,
    index: 0,
    key: undefined,
    from: '',
    fail: () => undefined,
    ...(bind && { bind }),
  });

/** All tasks of a topology, by id. */
export function plannedTasks(
  topology: Topology,
  prefix: string,
  topics: TopicCounts,
  bind?: PushScope['bind'],
): ReadonlyMap<string, PlannedTask> {
  const { processors } = declaredNodes(topology, bind);
  const tasks = new Map<string, PlannedTask>();
  for (const subTopology of topology.graph.subTopologies) {
    const inside = processors.filter(({ id }) => subTopology.nodes.includes(id));
    const stores = inside.flatMap(({ spec }) => spec.stores);
    for (let partition = 0; partition < tasksOf(subTopology, prefix, topics); partition++) {
      const id = taskId(subTopology.id, partition);
      tasks.set(id, { id, subTopology, partition, stores });
    }
  }
  return tasks;
}

/** Every topic that tasks read, internal ones included. */
export function topicsRead({ graph }: Topology, prefix: string): readonly string[] {
  return graph.subTopologies.flatMap(({ topics, repartitions, internalInputs = [] }) => [
    ...topics,
    ...repartitions.map((name) => repartitionTopic(prefix, name)),
    ...internalInputs.map((input) => internalInputTopic(prefix, input)),
  ]);
}

/** Those of the tasks that have state in the directory of this process. */
export async function tasksOnDisk(
  ids: Iterable<string>,
  prefix: string,
  { stateDirectory, identityFiles = diskIdentityFiles }: Pick<EnginePorts, 'stateDirectory' | 'identityFiles'>,
): Promise<Set<string>> {
  const found = new Set<string>();
  for (const id of ids) {
    const identity = await identityFiles.read(identityPath(stateDirectory, prefix, id));
    if (identity !== null) found.add(id);
  }
  return found;
}

/** The tasks with these ids; unknown ids are left out. */
export const plannedTasksNamed = (
  all: ReadonlyMap<string, PlannedTask>,
  ids: readonly string[],
): ReadonlyMap<string, PlannedTask> =>
  new Map(
    ids.flatMap((id) => {
      const task = all.get(id);
      return task ? [[id, task] as const] : [];
    }),
  );
