import type { Holder } from './holder.js';

/** One wait for a record that is known to be there. */
const WAIT_MS = 1_000;

/** Global tables up to their ends, then one round of every task, as long as it has records, then a commit of each. Returns how many records the tasks took. */
export async function stepAll({ globals, tasks }: Holder): Promise<number> {
  await globals.catchUp();
  let taken = 0;
  for (const task of tasks) {
    // What is known to be in the log is waited for, however many polls that takes.
    for (let n = await task.step(0); n > 0 || task.isWaiting; n = await task.step(task.isWaiting ? WAIT_MS : 0)) {
      taken += n;
      if (task.commitDue) await task.commit();
    }
  }
  for (const task of tasks) await task.commit();
  return taken;
}
