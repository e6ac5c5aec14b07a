import { type ErrorCode, isStreamsError, messageOf } from '../model/errors.js';
import { type Clock, type Logger, sleep } from '../model/ports.js';

/** Another process has taken over. */
const TAKEN_OVER: ReadonlySet<ErrorCode> = new Set(['GROUP_FENCED', 'PRODUCER_FENCED', 'CHANGELOG_DISTURBED']);

export const isTakenOver = (error: unknown): boolean => isStreamsError(error) && TAKEN_OVER.has(error.code);

/**
 * What passes by itself, or by opening again what has failed: the cluster is away, or another process has
 * taken over.
 */
export const isPassing = (error: unknown): boolean =>
  isTakenOver(error) || (isStreamsError(error) && error.code === 'BROKER_UNAVAILABLE');

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/** How long to wait before each further attempt: half a second, doubling up to ten; without end. */
export function* pauses(): Generator<number, never> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) yield pause;
}

export interface RetryOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the attempts: the last error is thrown. */
  readonly signal: AbortSignal;
}

/** Tries again, with pauses and a warning each time, for as long as the error is one that passes. */
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
