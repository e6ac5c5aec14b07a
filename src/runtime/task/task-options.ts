import type { Alignment } from '../align/alignment.js';
import type { TaskRestore } from '../config/life-hooks.js';
import type { GlobalTables } from '../globals/global-tables.js';
import type { InputBuffer } from '../poll/input-buffer.js';
import type { TaskScope } from '../topics/task-scope.js';

/** What an engine passes to a task that it opens. */
export interface TaskOptions extends TaskScope {
  readonly inputs: InputBuffer;
  readonly alignment: Alignment;
  /** Loaded. */
  readonly globals: GlobalTables;
  /** Called for an error that belongs to no record: a late emission. */
  readonly onFatal: (error: Error) => void;
  readonly onRestore: (restore: TaskRestore) => void;
}
