import type { PartitionOffset } from '../../broker/port.js';
import { internalInputTopic, lettersInput, repartitionNames } from '../../graph/naming.js';
import type { GlobalView } from '../../state/global/global-view.js';
import type { TaskState } from '../../state/store/task-state.js';
import type { BatchRunner } from '../batch/batch-runner.js';
import { buildTaskRunner } from '../batch/task-runner.js';
import { GroupOffsets } from '../commit/group-offsets.js';
import { serdeConfig } from '../config/serde-bindings.js';
import { stopped } from '../config/stopped.js';
import { Outside } from '../inputs/outside.js';
import { Reached } from '../inputs/reached.js';
import type { Intake } from '../poll/intake.js';
import type { Paced } from '../poll/paced-intake.js';
import { RedrivenNotes } from '../redrive/redriven-notes.js';
import { openState } from '../restore/open-state.js';
import { streamTimesOf } from '../restore/stream-times.js';
import type { TaskLog } from '../restore/task-log.js';
import { whereToBegin } from '../restore/where-to-begin.js';
import { TaskOutput } from '../send/task-output.js';
import { writerOptions } from '../send/writer-options.js';
import { committedSources, sourcePartitions } from '../topics/sources.js';
import { openIntake } from './open-intake.js';
import type { TaskOptions } from './task-options.js';

/** The parts of a task that is ready to read on from its committed offsets. */
export interface TaskParts {
  readonly output: TaskOutput;
  readonly runner: BatchRunner;
  readonly intake: Intake;
  readonly offsets: GroupOffsets;
  readonly globals: ReadonlyMap<string, GlobalView<unknown, unknown>>;
  readonly log: TaskLog | undefined;
  /** Rows that the restore has logged again, and that must be committed. */
  readonly loggedAgain: number;
  /** Undefined: the task has no internal input. */
  readonly outside: Outside | undefined;
  readonly reached: Reached | undefined;
}

/** The parts that are already open: they must be closed even if the rest fails. */
export interface OpenedParts {
  output?: TaskOutput;
  state?: TaskState;
  intake?: Intake;
  outside?: Outside | undefined;
}

export interface OpeningOptions {
  readonly task: Paced & { readonly id: string };
  readonly opened: OpenedParts;
  readonly signal: AbortSignal;
  /** Called with the number of changelog records left to restore. */
  readonly onProgress: (left: number, restored: number) => void;
  readonly onFatal: (error: Error) => void;
}

/**
 * Opens the writer, finds the start positions, restores the state to them, and creates pipeline and intake.
 * STOPPED if the signal is aborted; otherwise the errors of these steps.
 */
export async function openParts(options: TaskOptions, opening: OpeningOptions): Promise<TaskParts> {
  const { config, subTopology, partition, stores, topics } = options;
  const { task, opened, signal, onProgress, onFatal } = opening;
  // The writer comes first. Under exactly_once it ends any transaction that an earlier owner of this task
  // left open, so that the offsets read next are final.
  const sources = sourcePartitions(subTopology, config.version.prefix, partition, topics);
  const output = await TaskOutput.open(options, writerOptions(options, sources));
  opened.output = output;
  const begins = await whereToBegin(options, { sources, signal });
  const times = streamTimesOf(begins.committed);
  let streamTime = times.task;
  let log: TaskLog | undefined;
  let loggedAgain = 0;
  if (stores.length > 0) {
    const restored = await openState(options, {
      ...{ sources, begins, signal, onProgress },
      onOpened: (state) => {
        opened.state = state;
      },
    });
    streamTime = Math.max(streamTime, restored.streamTime);
    ({ log, loggedAgain } = restored);
  }
  const checkRunning = (): void => {
    if (signal.aborted) throw stopped('the engine was stopped', `task ${task.id}`);
  };
  checkRunning();
  const globals = options.globals.views();
  const phase = begins.again?.phase;
  const outside =
    subTopology.internalInputs &&
    new Outside(
      () => opened.intake?.wakeup(),
      () => phase?.isOver === false,
      () => !signal.aborted && opened.intake?.isBehindNotes === false,
    );
  opened.outside = outside;
  const { state } = opened;
  const { ports, stop } = options;
  const letters = internalInputTopic(config.version.prefix, lettersInput(subTopology.id));
  const notes = phase
    ? await RedrivenNotes.read(
        ports.broker,
        sources.filter(({ topic }) => topic === letters),
        repartitionNames(options.topology.graph, config.version.prefix),
        signal,
      )
    : RedrivenNotes.NONE;
  const { runner, processors } = await buildTaskRunner({
    ...{ topology: options.topology, subTopology, partition, config, topics, metrics: options.metrics },
    ...{ taskId: task.id, state, cause: state?.cause, globals, streamTime, onFatal, stop, outside },
    ...{ jump: times.jump, again: begins.again, effects: config.effects, knowsOrigins: true },
    serdes: serdeConfig(config, ports),
    clockOf: () => ports.clock,
    notes,
  });
  runner.letters?.begin(begins.committed);
  const offsets = new GroupOffsets({ config, begins, runner, state });
  const isFull = (): boolean => outside?.isFull === true;
  const intake = await openIntake(options, { begins, entries: runner.entries, task, isFull });
  opened.intake = intake;
  for (const processor of processors) await processor.start?.();
  checkRunning();
  const reached = Reached.of(subTopology, {
    graph: options.topology.graph,
    prefix: config.version.prefix,
    widthOf: (topic) => topics.count(topic),
  });
  const sourcesOfOthers = (): Promise<readonly PartitionOffset[]> =>
    committedSources(options.topology.graph, ports.broker.admin, config.applicationId);
  await reached?.begin(begins.committed, sourcesOfOthers);
  return { output, runner, intake, offsets, globals, log, loggedAgain, outside, reached };
}
