import { formatMs } from '../../model/duration.js';
import type { EngineConfig } from '../config/config.js';
import type { Task } from '../task/task.js';

const NEARLY = 0.9;

/** Logs that a process was too busy to send heartbeats, and which batch kept it busy. */
export function warnBusy(
  { applicationId, logger, sessionMs }: EngineConfig,
  tasks: readonly Pick<Task, 'lastBatch'>[],
  ms: number,
): void {
  const busiest = busiestOf(tasks.map((task) => task.lastBatch));
  logger.warn(
    { app: applicationId, ...(busiest && { task: busiest.task }) },
    `busy for ${formatMs(ms)}: no heartbeat could be sent, and after ${formatMs(sessionMs)} the tasks go to others${busiest ? `. The slowest of the last batches: ${busiest.records} records up to ${busiest.where}, ${formatMs(busiest.ms)}, of which ${formatMs(busiest.slowest.ms)} in ${busiest.slowest.phase}` : ''}. Take smaller batches, raise the session timeout, or do the slow work asynchronously`,
  );
}

/**
 * A phase that blocks the process also blocks the batches of other tasks, in whichever phases they are. Those
 * phases begin before it and end after it. So the culprit is the shortest of the phases that are nearly as
 * long as the longest.
 */
function busiestOf(batches: readonly Task['lastBatch'][]): Task['lastBatch'] | undefined {
  const longest = Math.max(...batches.map(({ slowest }) => slowest.ms));
  const [busiest] = batches
    .filter(({ slowest }) => slowest.ms >= NEARLY * longest)
    .sort((a, b) => a.slowest.ms - b.slowest.ms);
  return busiest;
}
