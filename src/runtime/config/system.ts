import { randomBytes } from 'node:crypto';
import type { Clock } from '../../model/ports.js';

/** The machine's clock and timers: no other file uses them. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, callback) {
    // A delay above 2^31 − 1 ms would fire at once; no timer waits 24 days for one tick.
    const timer = setTimeout(callback, Math.min(ms, 2 ** 31 - 1));
    return () => clearTimeout(timer);
  },
};

/** Resolves after one turn of the event loop: everything that was ready to run has run. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A random text that is different in each process. */
export const PROCESS_MARK: string = randomBytes(16).toString('hex');
