import type { TimerClock } from '../../dsl/contract/processor.js';

/** A timer that is due. */
export interface DueTimer {
  readonly due: number;
  readonly run: (now: number) => void | Promise<void>;
}

interface Timer {
  readonly everyMs: number;
  readonly clock: TimerClock;
  readonly run: (now: number) => void | Promise<void>;
  due: number;
}

/**
 * The timers of one stage. Each fires at multiples of its interval, counted from zero, and only once however
 * far time has moved. Several due timers fire by due time, then in the order in which they were scheduled.
 */
export class Timers {
  #timers: Timer[] = [];

  /**
   * @param now The current time of the clock; a stream-time timer scheduled before the first record is due at
   * zero.
   */
  schedule(everyMs: number, clock: TimerClock, now: number, run: Timer['run']): () => void {
    const first = clock === 'stream' && !Number.isFinite(now) ? 0 : nextMultiple(everyMs, now);
    const timer: Timer = { everyMs, clock, run, due: first };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** When the next timer of this clock is due: positive infinity if there is none. */
  nextDue(clock: TimerClock): number {
    let due = Number.POSITIVE_INFINITY;
    for (const timer of this.#timers) if (timer.clock === clock && timer.due < due) due = timer.due;
    return due;
  }

  /**
   * Takes the timers that are due at `now` (and were due before `before`), and schedules their next firing
   * after it.
   */
  take(clock: TimerClock, now: number, before = Number.POSITIVE_INFINITY): readonly DueTimer[] {
    const taken = this.#timers
      .filter((timer) => timer.clock === clock && timer.due <= now && timer.due < before)
      .sort((a, b) => a.due - b.due);
    return taken.map((timer) => {
      const { due } = timer;
      timer.due = nextMultiple(timer.everyMs, now);
      // A firing timer may cancel the next one.
      return { due, run: (time) => (this.#timers.includes(timer) ? timer.run(time) : undefined) };
    });
  }
}

const nextMultiple = (everyMs: number, now: number): number => (Math.floor(now / everyMs) + 1) * everyMs;
