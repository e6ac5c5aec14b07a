import type { PartitionOffset, TopicPartition } from '../broker/port.js';
import { taskId } from '../graph/naming.js';
import { TaskState } from '../state/task-state.js';
import { restore } from './restore.js';
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
  const { config, ports, partition, metrics } = options;
  const { prefix } = config.generation;
  const state = await TaskState.open({
    root: ports.stateDirectory,
    applicationId: prefix,
    taskId: taskId(options.subTopology.id, partition),
    openDatabase: ports.openDatabase,
    topology: options.topology.name,
    stores: options.stores,
    budget: options.budget,
    ...(ports.identityFiles && { files: ports.identityFiles }),
  });
  told.onOpened(state);
  let counted = 0;
  const { streamTime } = await restore({
    broker: ports.broker,
    state,
    prefix,
    partition,
    sources: sources.map(({ topic }) => topic),
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
