import { type ErrorCode, isStreamsError, messageOf } from '../../model/errors.js';
import { type Clock, type Logger, sleep } from '../../model/ports.js';

/** Another process has taken the task over. */
const TAKEN_OVER: ReadonlySet<ErrorCode> = new Set(['GROUP_FENCED', 'PRODUCER_FENCED', 'CHANGELOG_DISTURBED']);

export const isTakenOver = (error: unknown): boolean => isStreamsError(error) && TAKEN_OVER.has(error.code);

/**
 * Errors that pass by themselves, or after reopening: the cluster does not answer, or another process has
 * taken over.
 */
export const isPassing = (error: unknown): boolean =>
  isTakenOver(error) || (isStreamsError(error) && error.code === 'BROKER_UNAVAILABLE');

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/** The pauses between attempts: half a second, doubling up to ten seconds; without end. */
export function* pauses(): Generator<number, never> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) yield pause;
}

export interface RetryOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the attempts: the last error is thrown. */
  readonly signal: AbortSignal;
}

/** Retries as long as the error passes by itself, with pauses and a warning each time. */
export async function withRetry<T>(what: string, options: RetryOptions, attempt: () => Promise<T>): Promise<T> {
  const { clock, logger, signal } = options;
  const waits = pauses();
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!isPassing(error) || signal.aborted) throw error;
      const pauseMs = waits.next().value;
      logger.warn({}, `${what} failed, trying again in ${pauseMs / 1_000} s: ${messageOf(error)}`);
      await sleep(clock, pauseMs, signal);
      if (signal.aborted) throw error;
    }
  }
}
