import { transactionalId } from '../graph/naming.js';
import { isStreamsError, StreamsError } from '../model/errors.js';
import type { Clock } from '../model/ports.js';

/**
 * So often within a minute. The former owner of a task is fenced once for each time that the group moves it.
 * One that was frozen may write for a while, into each commit of the owner, of which there is one a second.
 */
const MOST = { PRODUCER_FENCED: 5, CHANGELOG_DISTURBED: 20 } as const;
const WITHIN_MS = 60_000;

/**
 * Counts how often each task was given up because of another writer: what goes on like that is no change of
 * owners, but somebody who should not be there.
 */
export class Fencings {
  readonly #clock: Clock;
  readonly #applicationId: string;
  /** When it happened to each task, in the last minute. */
  readonly #times = new Map<string, readonly number[]>();

  constructor(clock: Clock, applicationId: string) {
    this.#clock = clock;
    this.#applicationId = applicationId;
  }

  /** The error that a task was given up by; FENCED_REPEATEDLY instead if it is one fencing too many. */
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
      what: 'two writers put each other out again and again',
      at: `task ${task}`,
      saw: `${times.length} times within a minute, by ${own} and by ${other}`,
      expected: `${own} alone`,
      action: `Look for ${other}: an application of the same id that uses another group or cluster of processes, a copy of it of an older version, a tool. Stop it, or give one of both another application id.`,
      cause: error,
    });
  }
}
