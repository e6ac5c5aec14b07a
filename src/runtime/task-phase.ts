import { stopped } from './stopped.js';

/**
 * The life of a task. Anything that throws leads to `closed`: the task is given up without a commit, and
 * whoever opens it again starts from the committed offsets.
 *
 * ```
 *   open() ──▶ restoring ──▶ running ──▶ closed
 *                  │        │       ▲       ▲
 *                  │        └───────┘       │
 *                  │  processBatch, commit  │
 *                  └────────────────────────┘
 * ```
 */
export type TaskPhase = keyof typeof NEXT;

const NEXT = {
  restoring: ['running', 'closed'],
  running: ['closed'],
  closed: [],
} as const satisfies Record<string, readonly string[]>;

/** The phase of a task, which changes as the drawing above says and in no other way. */
export class Phase {
  #now: TaskPhase = 'restoring';

  get now(): TaskPhase {
    return this.#now;
  }

  /** STOPPED if no arrow leads there: the task was closed while it was opened. */
  enter(next: TaskPhase, task: string): void {
    const allowed: readonly TaskPhase[] = NEXT[this.#now];
    if (!allowed.includes(next)) throw stopped(`it is ${this.#now} and cannot be ${next}`, `task ${task}`);
    this.#now = next;
  }
}
