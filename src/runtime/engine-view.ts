import type { GlobalTables } from './global-tables.js';
import type { Task } from './task.js';

/** What holds tasks and global tables: an engine, for those who look at what it has. */
export interface EngineView {
  readonly tasks: readonly Task[];
  readonly globals: GlobalTables;
  /** Whether it is in its group and runs every task it was given. */
  readonly settled: boolean;
}
