import { ApplyDue } from './apply-due.js';
import type { TaskOptions } from './task-options.js';

/** When a task has to commit: by time, by records, and when the process runs out of memory for cached rows. */
export class CommitDue {
  readonly #options: Pick<TaskOptions, 'config' | 'budget' | 'ports'>;
  /** When its last step is due. */
  readonly apply: ApplyDue;
  #last: number;

  constructor(options: Pick<TaskOptions, 'config' | 'budget' | 'ports'>) {
    this.#options = options;
    this.apply = new ApplyDue(options);
    this.#last = options.ports.clock.monotonic();
  }

  /** `postponed`: its last step is not done. */
  committed(postponed = false): void {
    this.#last = this.#options.ports.clock.monotonic();
    if (!postponed) this.apply.applied();
  }

  /** `uncommitted`: how many records were processed since. */
  isNow(uncommitted: number): boolean {
    return uncommitted > 0 && (this.isFull(uncommitted) || this.inMs(uncommitted) <= 0);
  }

  /** The same, whatever the time is. */
  isFull(uncommitted: number): boolean {
    const { config, budget } = this.#options;
    return uncommitted > 0 && (uncommitted >= config.commitRecords || budget.exceeded);
  }

  inMs(uncommitted: number): number {
    const { config, ports } = this.#options;
    return uncommitted === 0 ? Number.POSITIVE_INFINITY : this.#last + config.commitMs - ports.clock.monotonic();
  }
}
