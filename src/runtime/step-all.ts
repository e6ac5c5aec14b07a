import type { Holder } from './holder.js';

/** Global tables up to their ends, then one round of every task, as long as it has records, then a commit of each. Returns how many records the tasks took. */
export async function stepAll({ globals, tasks }: Holder): Promise<number> {
  await globals.catchUp();
  let taken = 0;
  for (const task of tasks) {
    for (let n = await task.step(0); n > 0; n = await task.step(0)) {
      taken += n;
      if (task.commitDue) await task.commit();
    }
  }
  for (const task of tasks) await task.commit();
  return taken;
}
