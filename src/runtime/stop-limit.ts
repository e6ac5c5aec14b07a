import type { Clock } from '../model/ports.js';
import { sharedAbort } from './shared-abort.js';
import { stopped } from './stopped.js';

/** Of the time that a stop may take: until then a batch in hand may be finished. */
const FOR_BATCHES = 0.5;
/** And until then whatever is under way: the rest is for giving everything back. */
const FOR_ALL = 0.9;

/**
 * How long a stop may take. Most batches take less than a second: they are finished and committed. One that
 * makes slow calls would keep the process alive for all of them, so:
 *
 * - At 50 % of the time no record and no call is begun any more. A batch that is not at its end is not
 *   committed: all of it is done again at the next start.
 * - At 90 % nobody waits for what is under way: a call that does not return, a commit that brokers do not
 *   answer.
 *
 * Nothing is committed that was not processed; a stop that is cut short is as a crash.
 */
export class StopLimit {
  readonly #clock: Clock;
  readonly #noCalls = sharedAbort();
  readonly #over = sharedAbort();
  #cancel: (() => void)[] = [];
  #end: number | undefined;
  /** No record and no call is begun any more. A plain field: it is looked at for every record. */
  callsOver = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Aborted when no call may be begun any more. */
  get noCalls(): AbortSignal {
    return this.#noCalls.signal;
  }

  /** Aborted when nobody waits any more. */
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

  /** It has ended in time. */
  end(): void {
    for (const cancel of this.#cancel.splice(0)) cancel();
  }

  /** STOPPED once no call may be begun any more. */
  check(): void {
    if (this.callsOver) throw stopped('the stop takes too long to finish the batch in hand', 'a task');
  }

  /**
   * Waits for work, until nobody waits any more. What comes of it then is nobody's: it is as if the process
   * had crashed. True if it has ended.
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
