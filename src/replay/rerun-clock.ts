import type { Clock } from '../model/ports.js';
import { nextTurn } from '../runtime/system.js';

/**
 * The time of a rerun is that of its records: "now" is the stream time, and nobody waits. Timers on the
 * wall clock never fire.
 */
export class RerunClock implements Clock {
  readonly #streamTime: () => number;

  constructor(streamTime: () => number) {
    this.#streamTime = streamTime;
  }

  now(): number {
    const time = this.#streamTime();
    return Number.isFinite(time) ? time : 0;
  }

  monotonic(): number {
    return this.now();
  }

  /** A pause (of a policy that tries again) is over at once. */
  after(_ms: number, callback: () => void): () => void {
    let cancelled = false;
    void nextTurn().then(() => {
      if (!cancelled) callback();
    });
    return () => {
      cancelled = true;
    };
  }
}
