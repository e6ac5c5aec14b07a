import type { Checkpoint } from '../../state/directory/checkpoint.js';
import type { TaskScope } from '../topics/task-scope.js';
import { ApplyDue } from './apply-due.js';

/**
 * For a task without work. Topics keep deletions for longer than this, and one commit in that time costs
 * nothing.
 */
const REFRESH_MS = 600_000;

/**
 * Decides when a task must commit: by time, by records, and when the process runs out of memory for cached
 * rows.
 */
export class CommitDue {
  readonly #options: Pick<TaskScope, 'config' | 'budget' | 'ports'>;
  /** Decides when step 4 of a commit is due. */
  readonly apply: ApplyDue;
  #last: number;

  constructor(options: Pick<TaskScope, 'config' | 'budget' | 'ports'>) {
    this.#options = options;
    this.apply = new ApplyDue(options);
    this.#last = options.ports.clock.monotonic();
  }

  /** @param postponed Whether step 4 is still to be done. */
  committed(postponed = false): void {
    this.#last = this.#options.ports.clock.monotonic();
    if (!postponed) this.apply.applied();
  }

  /** @param uncommitted Number of records processed since the last commit. */
  isNow(uncommitted: number): boolean {
    return uncommitted > 0 && (this.isFull(uncommitted) || this.inMs(uncommitted) <= 0);
  }

  /** The same, without regard to the time. */
  isFull(uncommitted: number): boolean {
    const { config, budget } = this.#options;
    return uncommitted > 0 && (uncommitted >= config.commitRecords || budget.exceeded);
  }

  /**
   * Whether a commit without changes is worthwhile. It proves that this process still owns the task, and so
   * that its directory is current. If a directory seems not to have been read for long, the next start reads
   * everything again.
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
