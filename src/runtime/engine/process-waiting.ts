import type { EngineView } from './engine-view.js';

/** Maximum time of one wait for a record that is known to exist. */
const WAIT_MS = 1_000;

/**
 * In the first round all waiting tasks publish their progress; in the next one, the tasks that are behind
 * continue.
 */
const MOST_ROUNDS = 3;

/**
 * Reads global tables to their ends, then runs one round: each task processes its records and commits.
 * Returns the number of records that the tasks took.
 */
export async function processWaiting({ globals, tasks }: EngineView): Promise<number> {
  await globals.catchUp();
  let taken = 0;
  // Tasks that wait for each other first publish their progress.
  for (
    let round = 0;
    round === 0 || (taken === 0 && round < MOST_ROUNDS && tasks.some(({ pace }) => pace === 'held'));
    round++
  )
    taken += await processEach(tasks);
  return taken;
}

async function processEach(tasks: EngineView['tasks']): Promise<number> {
  let taken = 0;
  for (const task of tasks) {
    do {
      // Records that are known to be in the log are waited for, however many polls that takes.
      for (
        let n = await task.processBatch(0);
        n > 0 || task.isWaiting;
        n = await task.processBatch(task.isWaiting ? WAIT_MS : 0)
      ) {
        taken += n;
        if (task.isFull) await task.commit();
      }
      // Always, and not by the clock: what tasks read from each other, and in which order, must not depend on
      // it.
      await task.commit();
      // The commit may have written what the task has noted.
    } while (task.isWaiting);
  }
  return taken;
}
