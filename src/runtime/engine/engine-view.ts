import type { GlobalTables } from '../globals/global-tables.js';
import type { Task } from '../task/task.js';

/** Read access to the tasks and global tables of an engine. */
export interface EngineView {
  readonly tasks: readonly Task[];
  readonly globals: GlobalTables;
  /** Whether the process is in its group and runs every task that it was assigned. */
  readonly settled: boolean;
}
