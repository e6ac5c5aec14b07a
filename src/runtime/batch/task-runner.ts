import type { Processor, Topology } from '../../dsl/contract/processor.js';
import type { SubTopology } from '../../graph/graph.js';
import type { Clock } from '../../model/ports.js';
import type { Cause } from '../../state/rows/changelog-entry.js';
import type { EngineConfig } from '../config/config.js';
import type { EffectGate } from '../config/effect-gate.js';
import { SerdeBindings, type SerdeConfig } from '../config/serde-bindings.js';
import type { Outside } from '../inputs/outside.js';
import type { JumpState } from '../poll/time-jumps.js';
import type { RedrivenNotes } from '../redrive/redriven-notes.js';
import { FailureHandler } from '../send/failures.js';
import type { SendingOptions } from '../send/sending.js';
import type { TopicCounts } from '../topics/topics.js';
import { BatchRunner } from './batch-runner.js';
import { buildPipeline } from './pipeline.js';
import { namesOf, type TaskFacts } from './processor-context.js';

export interface TaskRunnerOptions
  extends Pick<TaskFacts, 'taskId' | 'partition' | 'metrics' | 'state' | 'globals' | 'observer'>,
    Pick<SendingOptions, 'again' | 'stop' | 'knowsOrigins'> {
  /** What the task notes. Default: it takes internal inputs as they are. */
  readonly outside?: Outside | undefined;
  readonly topology: Topology;
  readonly subTopology: SubTopology;
  readonly config: EngineConfig;
  readonly topics: TopicCounts;
  readonly serdes: SerdeConfig;
  /** Creates the task's clock; `now` returns its current event time. */
  readonly clockOf: (now: () => number) => Clock;
  /** The object through which the stores get the cause of each change. */
  readonly cause: Cause | undefined;
  /** Decides whether calls to the outside world are made. */
  readonly effects: EffectGate;
  readonly streamTime: number;
  readonly jump: (topic: string) => JumpState | undefined;
  readonly onFatal: (error: Error) => void;
  /** The letters that were fed in, if the past is taken again. */
  readonly notes: RedrivenNotes;
}

/** The runner of a task's batches, and its processors in the order of their stages. */
export interface TaskRunner {
  readonly runner: BatchRunner;
  readonly processors: readonly Processor[];
}

/**
 * Wires a task, live or rerun: it binds the serdes of the topology, connects the pipeline to its stages, and
 * opens the serdes. When it resolves, no record has been processed and no processor has started.
 */
export async function buildTaskRunner(options: TaskRunnerOptions): Promise<TaskRunner> {
  const { topology, subTopology, partition, config, topics, metrics, observer, stop, jump } = options;
  const clock = options.clockOf(() => runner.recordContext.time);
  const bindings = new SerdeBindings(options.serdes);
  const runner: BatchRunner = new BatchRunner({
    bind: bindings.bind,
    cause: options.cause,
    failures: new FailureHandler(config, topology.graph, clock, metrics, stop),
    stop,
    effects: options.effects,
    knowsOrigins: options.knowsOrigins === true,
    again: options.again,
    produce: {
      prefix: config.version.prefix,
      partition,
      partitionsOf: (topic) => topics.partitionsOf(topic),
      observer,
    },
    observer,
    streamTime: options.streamTime,
    onFatal: options.onFatal,
  });
  const task: TaskFacts = {
    taskId: options.taskId,
    partition,
    ...namesOf(config),
    clock,
    metrics,
    state: options.state,
    globals: options.globals,
    observer,
    outside: options.outside,
  };
  const processors = buildPipeline({ topology, subTopology, runner, task, jump, notes: options.notes });
  await bindings.open();
  return { runner, processors };
}
