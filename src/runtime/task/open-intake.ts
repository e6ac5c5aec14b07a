import { timerTopics } from '../../graph/naming.js';
import { CatchUpGate } from '../align/catch-up-gate.js';
import type { BatchRunner } from '../batch/batch-runner.js';
import { Intake } from '../poll/intake.js';
import { KnownEnds } from '../poll/known-ends.js';
import { type Paced, PacedIntake } from '../poll/paced-intake.js';
import type { Beginning } from '../restore/where-to-begin.js';
import type { TaskOptions } from './task-options.js';

interface OpenIntake {
  readonly begins: Beginning;
  readonly entries: BatchRunner['entries'];
  readonly task: Paced;
  /** Whether no more input must be taken until outcomes of calls were read. */
  readonly isFull: () => boolean;
}

/** Opens a task's intake, at the positions where the task begins. */
export async function openIntake(
  { config, ports, alignment, inputs, subTopology }: TaskOptions,
  { begins, entries, task, isFull }: OpenIntake,
): Promise<Intake> {
  const { positions, committed, again } = begins;
  const phase = again?.phase;
  const { broker, clock } = ports;
  const { admin } = broker;
  const latest = await admin.latestOffsets(positions);
  const reader = await broker.createReader();
  const options = {
    datesOf: (topic: string) => entries.get(topic)?.dates,
    ends: new KnownEnds({ admin, clock, logger: config.logger }),
    gate: phase && new CatchUpGate({ phase, isQuiet: () => again?.isQuiet === true, task, clock, committed }),
    buffer: inputs,
    isFull,
    timers: timerTopics(subTopology, config.version.prefix),
  };
  return alignment.roleOf(task) !== 'alone'
    ? new PacedIntake(reader, positions, latest, { ...options, alignment, task, committed })
    : new Intake(reader, positions, latest, options);
}
