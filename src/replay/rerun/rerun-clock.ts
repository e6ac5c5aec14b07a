import type { Clock } from '../../model/ports.js';
import { nextTurn } from '../../runtime/config/system.js';

/**
 * The clock of a rerun follows its records: "now" is the stream time, and pauses take no time. What the wall
 * clock brought comes from the internal inputs.
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

  /** A pause (of a retry policy) is over at once. */
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
