import { formatMs } from '../model/duration.js';
import type { EngineConfig } from './config.js';
import type { Task } from './task.js';

/** Says that a process was too busy for its heartbeats, and with what. */
export function warnBusy(
  { applicationId, logger, sessionMs }: EngineConfig,
  tasks: readonly Pick<Task, 'lastBatch'>[],
  ms: number,
): void {
  const [busiest] = tasks.map((task) => task.lastBatch).sort((a, b) => b.slowest.ms - a.slowest.ms);
  logger.warn(
    { app: applicationId, ...(busiest && { task: busiest.task }) },
    `busy for ${formatMs(ms)}: no heartbeat could be sent, and after ${formatMs(sessionMs)} the tasks go to others${busiest ? `. The slowest of the last batches: ${busiest.records} records up to ${busiest.where}, ${formatMs(busiest.ms)}, of which ${formatMs(busiest.slowest.ms)} in ${busiest.slowest.step}` : ''}. Take smaller batches, raise the session timeout, or do what takes long asynchronously`,
  );
}
