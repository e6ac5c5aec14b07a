import type { TimerClock } from '../dsl/processor.js';
import type { Firing } from './batch.js';
import { timerOrigin } from './origin.js';

/** Timers of one clock and interval. */
interface Kind {
  /** The moment of the last turn, and how many of them had it before. */
  moment: number;
  nth: number;
  /** How many of them are scheduled. */
  timers: number;
}

/**
 * Makes the turns of the timers of one processor. All have other texts, and a turn that comes again has the
 * same: it does not matter which timer it was of, when that was scheduled, or whether there was a restart,
 * since a turn always comes behind the moments of those before it.
 */
export class TimerTurns {
  readonly #node: string;
  readonly #partition: number;
  readonly #kinds = new Map<string, Kind>();

  constructor(node: string, partition: number) {
    this.#node = node;
    this.#partition = partition;
  }

  /** For a timer that is scheduled; `cancelled` may be called more than once. */
  timer(clock: TimerClock, everyMs: number): { turn(now: number): Firing; cancelled(): void } {
    const name = `${clock} ${everyMs}`;
    const kind = this.#kinds.get(name) ?? { moment: Number.NEGATIVE_INFINITY, nth: 0, timers: 0 };
    this.#kinds.set(name, kind);
    kind.timers++;
    let scheduled = true;
    return {
      turn: (now) => {
        const due = Math.floor(now / everyMs) * everyMs;
        if (due > kind.moment) {
          kind.moment = due;
          kind.nth = 0;
        } else {
          // A second timer; or the clock of the wall was put back, and what was due stays behind what was due
          // before.
          kind.nth++;
        }
        const { moment, nth } = kind;
        return { text: timerOrigin({ node: this.#node, partition: this.#partition, clock, everyMs, moment, nth }) };
      },
      cancelled: () => {
        if (!scheduled) return;
        scheduled = false;
        kind.timers--;
        if (kind.timers === 0) this.#kinds.delete(name);
      },
    };
  }
}
