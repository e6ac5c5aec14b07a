import type { Processor } from '../dsl/processor.js';
import type { TaskState } from '../state/task-state.js';
import { BatchRunner } from './batch-runner.js';
import { FailureHandler } from './failures.js';
import { buildPipeline } from './pipeline.js';
import { namesOf, type TaskFacts } from './processor-context.js';
import type { Reprocessing } from './reprocessing.js';
import { SerdePlaces, serdeConfig } from './serde-places.js';
import type { TaskOptions } from './task-options.js';
import type { JumpState } from './time-jumps.js';

export interface TaskRunnerOptions {
  readonly taskId: string;
  readonly state: TaskState | undefined;
  readonly globals: TaskFacts['globals'];
  readonly again: Reprocessing | undefined;
  readonly streamTime: number;
  readonly jump: (topic: string) => JumpState | undefined;
  readonly onFatal: (error: Error) => void;
}

/** What takes a task's batches through, ready to run, and its processors in the order of their stages. */
export async function buildTaskRunner(
  { topology, subTopology, partition, config, ports, metrics, topics, stop }: TaskOptions,
  { taskId, state, globals, again, streamTime, jump, onFatal }: TaskRunnerOptions,
): Promise<{ readonly runner: BatchRunner; readonly processors: readonly Processor[] }> {
  const { prefix } = config.version;
  const { clock } = ports;
  const serdes = new SerdePlaces(serdeConfig(config, ports));
  const runner = new BatchRunner({
    bind: serdes.bind,
    cause: state?.cause,
    failures: new FailureHandler(config, clock, metrics, stop),
    stop,
    effects: config.effects,
    knowsOrigins: true,
    again,
    produce: { prefix, partition, partitionsOf: (topic) => topics.partitionsOf(topic) },
    streamTime,
    onFatal,
  });
  const mayGiveUp = config.policies.process.then !== 'fail';
  const task = { taskId, partition, ...namesOf(config), mayGiveUp, clock, metrics, state, globals };
  const processors = buildPipeline({ topology, subTopology, runner, task, jump });
  await serdes.open();
  return { runner, processors };
}
