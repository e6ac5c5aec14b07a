/** A timer that is due. */
export interface DueTimer {
  readonly due: number;
  readonly run: (now: number) => void | Promise<void>;
}

interface Timer {
  readonly everyMs: number;
  readonly run: (now: number) => void | Promise<void>;
  due: number;
}

/**
 * The stream-time timers of one stage. Each fires at multiples of its interval, counted from zero, and only
 * once however far time has moved. Several due timers fire by due time, then in the order in which they were
 * scheduled.
 */
export class Timers {
  #timers: Timer[] = [];

  /** @param now The current stream time; a timer scheduled before the first record is due at zero. */
  schedule(everyMs: number, now: number, run: Timer['run']): () => void {
    const first = Number.isFinite(now) ? nextMultiple(everyMs, now) : 0;
    const timer: Timer = { everyMs, run, due: first };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** When the next timer is due: positive infinity if there is none. */
  get nextDue(): number {
    let due = Number.POSITIVE_INFINITY;
    for (const timer of this.#timers) if (timer.due < due) due = timer.due;
    return due;
  }

  /**
   * Takes the timers that are due at `now` (and were due before `before`), and schedules their next firing
   * after it.
   */
  take(now: number, before = Number.POSITIVE_INFINITY): readonly DueTimer[] {
    const taken = this.#timers.filter((timer) => timer.due <= now && timer.due < before).sort((a, b) => a.due - b.due);
    return taken.map((timer) => {
      const { due } = timer;
      timer.due = nextMultiple(timer.everyMs, now);
      // A firing timer may cancel the next one.
      return { due, run: (time) => (this.#timers.includes(timer) ? timer.run(time) : undefined) };
    });
  }
}

const nextMultiple = (everyMs: number, now: number): number => (Math.floor(now / everyMs) + 1) * everyMs;
