import { type Duration, durationMs } from '../../model/duration.js';
import type { ProcessorContext } from '../processor.js';

/** How often the wall clock is looked at, at least. */
const LOOK_MS = 1_000;

/**
 * Stream time that goes on with the wall clock while no records come: after `idle` without any it is as far
 * behind the last record's as the wall clock has gone since. It begins anew with each start of the task; not
 * replayable, since it depends on when records came.
 *
 * Whatever waits for stream time (windows that close, a buffer that suppresses) can be driven by one: tell it
 * of each record that moves the time, and let it move the time.
 */
export class IdleClock {
  readonly #context: ProcessorContext;
  readonly #idleMs: number;
  #lastWallTime = 0;
  #lastStreamTime = Number.NEGATIVE_INFINITY;

  constructor(context: ProcessorContext, idle: Duration, store: string) {
    this.#context = context;
    this.#idleMs = durationMs(idle, `closeAfter.idle of ${store}`);
  }

  /** `advance`: moves stream time to that moment, and does what is due then. */
  start(streamTime: () => number, advance: (streamTime: number) => void | Promise<void>): void {
    this.seen(streamTime());
    this.#context.schedule(Math.max(1, Math.min(this.#idleMs, LOOK_MS)), 'wall', (now) => {
      const idleFor = now - this.#lastWallTime;
      // Before the first record there is no time that could go on.
      if (idleFor < this.#idleMs || !Number.isFinite(this.#lastStreamTime)) return;
      return advance(this.#lastStreamTime + idleFor);
    });
  }

  /** A record came; stream time is that now. */
  seen(streamTime: number): void {
    this.#lastWallTime = this.#context.wallTime;
    this.#lastStreamTime = streamTime;
  }
}
