import { timerOrigin } from '../record/origin.js';
import type { Firing } from '../record/place.js';

/** Timers with the same interval. */
interface Kind {
  /** The moment of the last firing, and the number of earlier firings at the same moment. */
  moment: number;
  nth: number;
  /** Number of scheduled timers. */
  timers: number;
}

/**
 * Creates the firings of the timers of one processor. Each has a unique text, and a repeated firing has the
 * same text again. The text does not depend on which timer fired, when it was scheduled, or on restarts. The
 * reason is that a firing is always later than the moments of those before it.
 */
export class TimerTurns {
  readonly #node: string;
  readonly #partition: number;
  readonly #kinds = new Map<number, Kind>();

  constructor(node: string, partition: number) {
    this.#node = node;
    this.#partition = partition;
  }

  /** For a scheduled timer; `cancelled` may be called more than once. */
  timer(everyMs: number): { turn(now: number): Firing; cancelled(): void } {
    const kind = this.#kinds.get(everyMs) ?? { moment: Number.NEGATIVE_INFINITY, nth: 0, timers: 0 };
    this.#kinds.set(everyMs, kind);
    kind.timers++;
    let scheduled = true;
    return {
      turn: (now) => {
        const due = Math.floor(now / everyMs) * everyMs;
        if (due > kind.moment) {
          kind.moment = due;
          kind.nth = 0;
        } else {
          // A second timer.
          kind.nth++;
        }
        const { moment, nth } = kind;
        return { text: timerOrigin({ node: this.#node, partition: this.#partition, everyMs, moment, nth }) };
      },
      cancelled: () => {
        if (!scheduled) return;
        scheduled = false;
        kind.timers--;
        if (kind.timers === 0) this.#kinds.delete(everyMs);
      },
    };
  }
}
