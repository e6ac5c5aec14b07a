import type { EngineView } from './engine-view.js';

/** One wait for a record that is known to be there. */
const WAIT_MS = 1_000;

/** In the first one all that wait say where they stand, in the next whoever is behind goes on. */
const MOST_ROUNDS = 3;

/**
 * Global tables up to their ends, then one round: every task as long as it has records, and a commit of it.
 * Returns how many records the tasks took.
 */
export async function processWaiting({ globals, tasks }: EngineView): Promise<number> {
  await globals.catchUp();
  let taken = 0;
  // Those that wait for each other say first where they stand.
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
    // What is known to be in the log is waited for, however many polls that takes.
    for (
      let n = await task.processBatch(0);
      n > 0 || task.isWaiting;
      n = await task.processBatch(task.isWaiting ? WAIT_MS : 0)
    ) {
      taken += n;
      if (task.isFull) await task.commit();
    }
    // Not when the clock says so: what tasks read of each other, and in which order, must not depend on it.
    await task.commit();
  }
  return taken;
}
