import { transactionalId } from '../../graph/naming.js';
import { isStreamsError, StreamsError } from '../../model/errors.js';
import type { Clock } from '../../model/ports.js';

/**
 * Maximum numbers within a minute. The former owner of a task is fenced once for each move of the task. A
 * frozen former owner may write for a while, into each commit of the current owner, which makes one a second.
 */
const MOST = { PRODUCER_FENCED: 5, CHANGELOG_DISTURBED: 20 } as const;
const WITHIN_MS = 60_000;

/**
 * Counts how often each task was given up because of another writer. Repeated fencing is not a change of
 * owners, but a writer that should not exist.
 */
export class Fencings {
  readonly #clock: Clock;
  readonly #applicationId: string;
  /** The times of the last minute, by task. */
  readonly #times = new Map<string, readonly number[]>();

  constructor(clock: Clock, applicationId: string) {
    this.#clock = clock;
    this.#applicationId = applicationId;
  }

  /**
   * Returns the error that made the process give up a task, or FENCED_REPEATEDLY if it occurred too often.
   */
  count(error: unknown, task: string): unknown {
    if (!isStreamsError(error) || (error.code !== 'PRODUCER_FENCED' && error.code !== 'CHANGELOG_DISTURBED'))
      return error;
    const now = this.#clock.monotonic();
    const times = [...(this.#times.get(task) ?? []).filter((time) => now - time < WITHIN_MS), now];
    this.#times.set(task, times);
    if (times.length <= MOST[error.code]) return error;
    const own = `the task ${task} of the application ${this.#applicationId}`;
    const other =
      error.code === 'CHANGELOG_DISTURBED'
        ? 'another program that writes to its changelogs'
        : `another program with the transactional id ${transactionalId(this.#applicationId, task)}`;
    return new StreamsError('FENCED_REPEATEDLY', {
      what: 'two writers keep fencing each other',
      at: `task ${task}`,
      saw: `${times.length} times within a minute, by ${own} and by ${other}`,
      expected: `${own} alone`,
      action: `Look for ${other}: an application with the same id in another group or cluster of processes, a copy of an older version, a tool. Stop it, or give one of the two another application id.`,
      cause: error,
    });
  }
}
