import type { PartitionOffset } from '../broker/port.js';
import type { BatchRunner } from './batch-runner.js';
import { Intake } from './intake.js';
import { KnownEnds } from './known-ends.js';
import { type Paced, PacedIntake } from './paced-intake.js';
import type { TaskOptions } from './task-options.js';

/** A task's intake, which begins at these positions. */
export async function openIntake(
  { config, ports, alignment }: TaskOptions,
  {
    positions,
    committed,
    entries,
    task,
  }: {
    readonly positions: readonly PartitionOffset[];
    readonly committed: readonly PartitionOffset[];
    readonly entries: BatchRunner['entries'];
    readonly task: Paced;
  },
): Promise<Intake> {
  const { broker, clock } = ports;
  const { admin } = broker;
  const latest = await admin.latestOffsets(positions);
  const reader = await broker.createReader();
  const options = {
    datesOf: (topic: string) => entries.get(topic)?.dates,
    ends: new KnownEnds({ admin, clock, logger: config.logger }),
  };
  return alignment.concerns(task)
    ? new PacedIntake(reader, positions, latest, { ...options, alignment, task, committed })
    : new Intake(reader, positions, latest, options);
}
