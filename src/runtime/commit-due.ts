import type { Checkpoint } from '../state/checkpoint.js';
import { ApplyDue } from './apply-due.js';
import type { TaskOptions } from './task-options.js';

/** Of a task without work. Topics keep deletions for longer, and one commit in that time costs nothing. */
const REFRESH_MS = 600_000;

/**
 * When a task has to commit: by time, by records, and when the process runs out of memory for cached rows.
 */
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

  /**
   * Whether a commit without a change is worth it: it proves that the task is still this process', and so
   * that its directory is as of now. Of one that looks as if nobody had read it for long, all is read anew at
   * the next start.
   */
  mustRefresh(checkpoint: Checkpoint | undefined): boolean {
    const asOf = Math.min(...Array.from(checkpoint?.logs.values() ?? [], (log) => log.asOf));
    return this.#options.ports.clock.now() - asOf > REFRESH_MS;
  }

  inMs(uncommitted: number): number {
    const { config, ports } = this.#options;
    return uncommitted === 0 ? Number.POSITIVE_INFINITY : this.#last + config.commitMs - ports.clock.monotonic();
  }
}
