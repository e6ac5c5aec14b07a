/**
 * The state of an application in this process.
 *
 * ```text
 *   starting ──▶ running ◀──▶ rebalancing
 *       │           │              │
 *       └───────────┴──────┬───────┘
 *                          ▼
 *                       stopping ──▶ stopped, or failed
 * ```
 *
 * `running`: every task that the process was assigned is open and restored; there may be none. `rebalancing`:
 * the group shares the tasks out again, or the process is out of it.
 */
export type ApplicationState = 'starting' | 'running' | 'rebalancing' | 'stopping' | 'stopped' | 'failed';

/** The tasks of this process have changed: another process came or went, or a topic has more partitions. */
export interface AssignmentChange {
  /** All tasks of the process, by id. */
  readonly tasks: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** A task reads rows back from its changelogs. */
export interface TaskRestore {
  readonly task: string;
  /** `suspended`: it ended before all rows were there, since the task was given up or a read failed. */
  readonly phase: 'begun' | 'ended' | 'suspended';
  /** Records: with `begun` those to be read, otherwise those that were. */
  readonly records: number;
  /** Milliseconds since it began. */
  readonly ms: number;
}

/**
 * Functions that an application calls while it lives, as the listeners of Kafka Streams (`StateListener`,
 * `StateRestoreListener`) are. They are called in order, and must return at once. What they throw is logged,
 * and changes nothing.
 */
export interface LifeHooks {
  /** @param error Why it has failed; only with `failed`. */
  readonly onState?: (state: ApplicationState, error?: Error) => void;
  readonly onAssignment?: (change: AssignmentChange) => void;
  /** Called only for tasks that have something to restore. */
  readonly onRestore?: (restore: TaskRestore) => void;
}
