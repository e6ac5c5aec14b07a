/**
 * Everything uncertain, as ports: nothing in millrace reaches for the clock, timers or randomness of the
 * machine. They are passed in at the edge (`runtime/system.ts` has the real ones), so that a test runs under
 * virtual time and a failure is a seed.
 */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds that never go back, for measuring. */
  monotonic(): number;
  /** Calls back once after that many milliseconds; the returned function cancels. */
  after(ms: number, callback: () => void): () => void;
}

/** Resolves after that many milliseconds of the clock, or as soon as the signal is aborted. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    const onAbort = (): void => {
      cancel();
      resolve();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Uniform numbers in [0, 1). */
export type Random = () => number;

/** A logger in the shape of pino's: fields first, message second. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
