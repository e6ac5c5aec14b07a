import { formatMs } from '../model/duration.js';
import type { EngineConfig } from './config.js';
import type { Task } from './task.js';

const NEARLY = 0.9;

/** Says that a process was too busy for its heartbeats, and with what. */
export function warnBusy(
  { applicationId, logger, sessionMs }: EngineConfig,
  tasks: readonly Pick<Task, 'lastBatch'>[],
  ms: number,
): void {
  const busiest = busiestOf(tasks.map((task) => task.lastBatch));
  logger.warn(
    { app: applicationId, ...(busiest && { task: busiest.task }) },
    `busy for ${formatMs(ms)}: no heartbeat could be sent, and after ${formatMs(sessionMs)} the tasks go to others${busiest ? `. The slowest of the last batches: ${busiest.records} records up to ${busiest.where}, ${formatMs(busiest.ms)}, of which ${formatMs(busiest.slowest.ms)} in ${busiest.slowest.phase}` : ''}. Take smaller batches, raise the session timeout, or do what takes long asynchronously`,
  );
}

/**
 * A phase that holds up the process holds up the batches of other tasks as well, whichever phase they are in:
 * theirs begin before it and end after it, so of those that are nearly as long it is the shortest.
 */
function busiestOf(batches: readonly Task['lastBatch'][]): Task['lastBatch'] | undefined {
  const longest = Math.max(...batches.map(({ slowest }) => slowest.ms));
  const [busiest] = batches
    .filter(({ slowest }) => slowest.ms >= NEARLY * longest)
    .sort((a, b) => a.slowest.ms - b.slowest.ms);
  return busiest;
}
