import type { PartitionOffset, TopicPartition } from '../broker/port.js';
import { taskId } from '../graph/naming.js';
import { TaskState } from '../state/task-state.js';
import { restore } from './restore.js';
import { SourcePlaces } from './source-places.js';
import type { TaskOptions } from './task-options.js';

export interface OpenState {
  readonly sources: readonly TopicPartition[];
  /** Next offset of each source partition that the group has committed. */
  readonly committed: readonly PartitionOffset[];
  readonly signal: AbortSignal;
  /** It is the caller's to close from here on, also if the restore fails. */
  onOpened(state: TaskState): void;
  /** Told how many changelog records are left. */
  onProgress(left: number): void;
}

/** Opens the state of a task and restores it to the committed offsets. Returns the stream time that it knows of. */
export async function openState(
  options: TaskOptions,
  { sources, committed, signal, ...told }: OpenState,
): Promise<number> {
  const { topology, topics, membership, config, ports, partition, metrics } = options;
  const { prefix } = config.generation;
  const state = await TaskState.open({
    root: ports.stateDirectory,
    applicationId: prefix,
    taskId: taskId(options.subTopology.id, partition),
    openDatabase: ports.openDatabase,
    topology: topology.name,
    stores: options.stores,
    budget: options.budget,
    ...(ports.identityFiles && { files: ports.identityFiles }),
  });
  told.onOpened(state);
  const places = await SourcePlaces.of({
    broker: ports.broker,
    graph: topology.graph,
    config,
    topics,
    partition,
    sources,
    committed,
    committedOf: (source) => membership.committed([source]),
  });
  let counted = 0;
  const { streamTime } = await restore({
    broker: ports.broker,
    clock: ports.clock,
    config,
    state,
    taskId: taskId(options.subTopology.id, partition),
    prefix,
    partition,
    places,
    committed,
    signal,
    onProgress: (left, restored) => {
      told.onProgress(left);
      // Other tasks restore at the same time.
      metrics.restoredRecords += restored - counted;
      counted = restored;
    },
  });
  return streamTime;
}
