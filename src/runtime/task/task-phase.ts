import { stopped } from '../config/stopped.js';

/**
 * The life of a task. Every error leads to `closed`: the task is closed without a commit, and starts from the
 * committed offsets when it is opened again.
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

/** The phase of a task; only the transitions of the drawing above are allowed. */
export class Phase {
  #now: TaskPhase = 'restoring';

  get now(): TaskPhase {
    return this.#now;
  }

  /** STOPPED if there is no such transition: the task was closed while it was opening. */
  enter(next: TaskPhase, task: string): void {
    const allowed: readonly TaskPhase[] = NEXT[this.#now];
    if (!allowed.includes(next)) throw stopped(`it is ${this.#now} and cannot be ${next}`, `task ${task}`);
    this.#now = next;
  }
}
