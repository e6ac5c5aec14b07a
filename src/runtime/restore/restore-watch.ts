import type { Clock } from '../../model/ports.js';
import type { TaskRestore } from '../config/life-hooks.js';

/**
 * Reports when a task begins to restore rows, and how that ended. Nothing is reported where there are none.
 */
export class RestoreWatch {
  #since: number | undefined;
  #restored = 0;
  #left = 0;

  constructor(
    readonly task: string,
    readonly clock: Clock,
    readonly report: (restore: TaskRestore) => void,
  ) {}

  /** Records that are still to be read. */
  get left(): number {
    return this.#left;
  }

  progress(left: number, restored: number): void {
    this.#left = left;
    this.#restored = restored;
    if (this.#since !== undefined || left === 0) return;
    this.#since = this.clock.monotonic();
    this.report({ task: this.task, phase: 'begun', records: left, ms: 0 });
  }

  ended(phase: 'ended' | 'suspended'): void {
    this.#left = 0;
    if (this.#since === undefined) return;
    const ms = Math.round(this.clock.monotonic() - this.#since);
    this.report({ task: this.task, phase, records: this.#restored, ms });
  }
}
