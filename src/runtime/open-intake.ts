import type { PartitionOffset } from '../broker/port.js';
import type { BatchRunner } from './batch-runner.js';
import { Intake } from './intake.js';
import { KnownEnds } from './known-ends.js';
import type { TaskOptions } from './task-options.js';

/** A task's intake, which begins at these positions. */
export async function openIntake(
  { config, ports }: TaskOptions,
  positions: readonly PartitionOffset[],
  entries: BatchRunner['entries'],
): Promise<Intake> {
  const { broker, clock } = ports;
  const { admin } = broker;
  const latest = await admin.latestOffsets(positions);
  return new Intake(await broker.createReader(), positions, latest, {
    datesOf: (topic) => entries.get(topic)?.dates,
    ends: new KnownEnds({ admin, clock, logger: config.logger }),
  });
}
