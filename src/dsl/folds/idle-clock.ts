import { type Duration, durationMs } from '../../model/duration.js';
import type { ProcessorContext } from '../contract/processor.js';

/** The longest interval between two checks of the wall clock. */
const LOOK_MS = 1_000;

/**
 * Advances stream time with the wall clock while no records come. After `idle` without a record, stream time
 * is the last record's stream time plus the wall time that has passed since. It starts again with each start
 * of the task. It is not replayable, since it depends on when records came.
 *
 * Anything that waits for stream time can use such a clock: windows that close, or a buffer that suppresses.
 * The user calls `seen` for each record that advances time, and passes `advance` to let the clock advance it.
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

  /** `advance`: moves stream time to a moment, and handles what is due then. */
  start(streamTime: () => number, advance: (streamTime: number) => void | Promise<void>): void {
    this.seen(streamTime());
    this.#context.schedule(Math.max(1, Math.min(this.#idleMs, LOOK_MS)), 'wall', (now) => {
      const idleFor = now - this.#lastWallTime;
      // Before the first record there is no stream time to advance.
      if (idleFor < this.#idleMs || !Number.isFinite(this.#lastStreamTime)) return;
      return advance(this.#lastStreamTime + idleFor);
    });
  }

  /** A record came, and `streamTime` is the stream time now. */
  seen(streamTime: number): void {
    this.#lastWallTime = this.#context.wallTime;
    this.#lastStreamTime = streamTime;
  }
}
