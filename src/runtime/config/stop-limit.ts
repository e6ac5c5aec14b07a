import type { Clock } from '../../model/ports.js';
import { sharedAbort } from './shared-abort.js';
import { stopped } from './stopped.js';

/** The share of a stop's time in which the current batch may finish. */
const FOR_BATCHES = 0.5;
/** The share in which everything that is running may finish: the rest is for closing everything. */
const FOR_ALL = 0.9;

/**
 * Limits how long a stop takes. Most batches take less than a second: they are finished and committed. A
 * batch with slow calls would keep the process alive for all of them, so:
 *
 * - At 50 % of the time, no further record and no further call begins. A batch that has not finished is not
 *   committed: the next start processes all of it again.
 * - At 90 %, the stop no longer waits for anything that is running: a call that does not return, a commit
 *   that brokers do not answer.
 *
 * Nothing is committed that was not processed; a stop that is cut short has the same effects as a crash.
 */
export class StopLimit {
  readonly #clock: Clock;
  readonly #noCalls = sharedAbort();
  readonly #over = sharedAbort();
  #cancel: (() => void)[] = [];
  #end: number | undefined;
  /**
   * Set when no record and no call may begin any more. A plain field, because it is read for every record.
   */
  callsOver = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Aborted when no call may begin any more. */
  get noCalls(): AbortSignal {
    return this.#noCalls.signal;
  }

  /** Aborted when the stop no longer waits for anything. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Milliseconds until {@link over}; undefined before a stop. */
  get leftMs(): number | undefined {
    return this.#end === undefined ? undefined : Math.max(0, this.#end - this.#clock.monotonic());
  }

  /** The stop begins; a second call changes nothing. */
  begin(ms: number): void {
    if (this.#end !== undefined) return;
    this.#end = this.#clock.monotonic() + FOR_ALL * ms;
    this.#cancel = [
      this.#clock.after(FOR_BATCHES * ms, () => {
        this.callsOver = true;
        this.#noCalls.abort();
      }),
      this.#clock.after(FOR_ALL * ms, () => this.#over.abort()),
    ];
  }

  /** STOPPED once the stop has begun: a start then begins no further step. */
  checkRunning(at: string): void {
    if (this.#end !== undefined) throw stopped('the engine was stopped', at);
  }

  /** The stop has finished in time. */
  end(): void {
    for (const cancel of this.#cancel.splice(0)) cancel();
  }

  /** STOPPED once no call may begin any more. */
  check(): void {
    if (this.callsOver) throw stopped('the stop has no time left to finish the current batch', 'a task');
  }

  /**
   * Waits for work, until the stop no longer waits for anything. The result of unfinished work is ignored, as
   * if the process had crashed. True if it has finished.
   */
  async within(work: Promise<unknown>): Promise<boolean> {
    const { signal } = this.#over;
    let onAbort = (): void => undefined;
    const cut = new Promise<false>((resolve) => {
      onAbort = () => resolve(false);
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
    });
    const ended = work.then(() => true as const);
    ended.catch(() => undefined);
    try {
      return await Promise.race([ended, cut]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }
}
