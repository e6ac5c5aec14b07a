import { StreamsError } from '../../../model/errors.js';
import type { Clock } from '../../../model/ports.js';

/** How long a cluster may be silent during a stop. */
const REQUEST_MS = 5_000;

/**
 * Deadline for broker requests during a stop. Unlimited until the stop signal. Afterwards each request waits
 * up to five seconds for its response; a request that reaches no broker is retried for as long. Then the
 * cluster counts as away, and every request fails at once. While the cluster responds, the stop as a whole
 * has no deadline.
 */
export class StopDeadline {
  readonly #clock: Clock;
  /** When the stop signal came, on the monotonic clock. */
  #since: number | undefined;
  #away = false;
  /** One function per pending request: starts its deadline, or fails it at once. */
  readonly #underWay = new Set<() => void>();

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    const begin = (): void => {
      this.#since = clock.monotonic();
      this.#tell();
    };
    if (signal.aborted) begin();
    else signal.addEventListener('abort', begin, { once: true });
  }

  /** Whether a request that began at that time, and reached no broker, may be retried. */
  mayRetry(begun: number): boolean {
    if (this.#since !== undefined && this.#clock.monotonic() - Math.max(begun, this.#since) >= REQUEST_MS)
      this.#giveUp();
    return !this.#away;
  }

  /**
   * Rejects with BROKER_UNAVAILABLE if there is no response in time. The work may still complete later; its
   * result is ignored.
   */
  attempt<T>(work: () => Promise<T>): Promise<T> {
    if (this.#away) return Promise.reject(away());
    return new Promise((resolve, reject) => {
      let cancel: (() => void) | undefined;
      const end = (): void => {
        cancel?.();
        this.#underWay.delete(told);
      };
      const told = (): void => {
        if (this.#away) {
          end();
          reject(away());
        } else cancel ??= this.#clock.after(REQUEST_MS, () => this.#giveUp());
      };
      this.#underWay.add(told);
      if (this.#since !== undefined) told();
      work().finally(end).then(resolve, reject);
    });
  }

  #giveUp(): void {
    this.#away = true;
    this.#tell();
  }

  #tell(): void {
    for (const told of [...this.#underWay]) told();
  }
}

const away = (): StreamsError =>
  new StreamsError('BROKER_UNAVAILABLE', {
    what: 'gave up waiting for the cluster',
    saw: `no answer within ${REQUEST_MS / 1_000} s of the stop`,
    expected: 'an answer',
    action: 'Start again when the cluster is back: what was not committed is processed again.',
  });
