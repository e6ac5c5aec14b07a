import { type ErrorCode, isStreamsError } from '../model/errors.js';

/** What passes by itself, or by opening again what has failed: the cluster is away, or another process has taken over. */
const PASSING: ReadonlySet<ErrorCode> = new Set(['BROKER_UNAVAILABLE', 'GROUP_FENCED', 'PRODUCER_FENCED']);

export const isPassing = (error: unknown): boolean => isStreamsError(error) && PASSING.has(error.code);

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/** How long to wait before each further attempt: half a second, doubling up to ten; without end. */
export function* pauses(): Generator<number, never> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) yield pause;
}
