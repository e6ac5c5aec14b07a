import type { TopicPartition } from '../../broker/port.js';
import { taskId } from '../../graph/naming.js';
import { TaskState } from '../../state/store/task-state.js';
import { lastEpoch } from '../changelog/epochs.js';
import { withApplication } from '../config/application-marks.js';
import { beginningsOf, emptiedOf, withCommitMarks } from '../offsets/commit-marks.js';
import { ResumePositions } from '../offsets/resume-positions.js';
import type { TaskScope } from '../topics/task-scope.js';
import { restore } from './restore.js';
import { TaskLog } from './task-log.js';
import type { Beginning } from './where-to-begin.js';

export interface OpenState {
  readonly sources: readonly TopicPartition[];
  readonly begins: Beginning;
  readonly signal: AbortSignal;
  /** From here on, the caller must close the state, also if the restore fails. */
  onOpened(state: TaskState): void;
  /** Called with the number of changelog records left. */
  onProgress(left: number, restored: number): void;
}

export interface OpenedState {
  /** The highest stream time in the state. */
  readonly streamTime: number;
  /** Rows that the next commit must log again, whether or not a record comes. */
  readonly loggedAgain: number;
  /** Undefined: the owners of the task need no epochs. */
  readonly log: TaskLog | undefined;
}

/** Opens the state of a task, restores it to the committed offsets, and takes an epoch if one is needed. */
export async function openState(
  options: TaskScope,
  { sources, begins, signal, ...told }: OpenState,
): Promise<OpenedState> {
  const { topology, topics, config, ports, partition, metrics, membership } = options;
  const { guarantee, version } = config;
  const { committed, contained, positions, fedBy } = begins;
  const task = taskId(options.subTopology.id, partition);
  const state = await TaskState.open({
    root: ports.stateDirectory,
    applicationId: version.prefix,
    taskId: task,
    openDatabase: ports.openDatabase,
    topology: topology.name,
    stores: options.stores,
    budget: options.budget,
    ...(ports.identityFiles && { files: ports.identityFiles }),
  });
  told.onOpened(state);
  const places = await ResumePositions.of({
    broker: ports.broker,
    graph: topology.graph,
    config,
    topics,
    partition,
    sources,
    committed: contained,
    committedOf: (source) => membership.committed([source]),
  });
  let counted = 0;
  const restored = await restore({
    broker: ports.broker,
    clock: ports.clock,
    config,
    state,
    taskId: task,
    prefix: version.prefix,
    partition,
    places,
    committed: contained,
    signal,
    onProgress: (left, count) => {
      told.onProgress(left, count);
      // Other tasks restore at the same time.
      metrics.restoredRecords += count - counted;
      counted = count;
    },
  });
  const { streamTime, loggedAgain } = restored;
  const last = Math.max(lastEpoch(committed), restored.epoch);
  // Under exactly_once, only if there are earlier epochs: writes of their owners may still arrive.
  if (signal.aborted || (guarantee === 'exactly_once' && last === 0))
    return { streamTime, loggedAgain, log: undefined };
  const emptied = state.checkpoint.emptied ?? emptiedOf(committed);
  const marked = withCommitMarks(positions, { emptied, begun: beginningsOf(committed, positions), fedBy });
  return {
    streamTime,
    loggedAgain,
    log: await TaskLog.claim({
      ...{ task, partition, membership, committed, contained, restored },
      admin: ports.broker.admin,
      clock: ports.clock,
      epoch: last + 1,
      positions: withApplication(marked, config),
    }),
  };
}
