import type { StopLimit } from '../config/stop-limit.js';
import type { GlobalTables } from '../globals/global-tables.js';
import type { GroupMember } from '../group/group-member.js';
import type { TaskPool } from './task-pool.js';

/** What an engine has opened. */
interface Opened {
  readonly pool: TaskPool;
  readonly globals: GlobalTables;
  readonly group: GroupMember | undefined;
  /** The start, which may still be under way. */
  readonly starting: Promise<void>;
}

/**
 * Releases everything in the time that the limit allows, with a last commit or without. Returns the errors.
 */
export async function release(
  { pool, globals, group, starting }: Opened,
  commit: boolean,
  limit: StopLimit,
): Promise<readonly unknown[]> {
  const problems = [...(await pool.end(commit, limit))];
  const failed = (problem: unknown): void => void problems.push(problem);
  await limit.within(globals.close()).catch(failed);
  await limit.within(group?.leave() ?? Promise.resolve()).catch(failed);
  await limit.within(starting).catch(() => undefined);
  limit.end();
  return problems;
}
