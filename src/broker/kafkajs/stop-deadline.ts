import { StreamsError } from '../../model/errors.js';
import type { Clock } from '../../model/ports.js';

/** How long a cluster may keep silent to somebody who wants to go. */
const REQUEST_MS = 5_000;

/**
 * The patience of somebody who may have to go. Until the signal it has no end of its own. Afterwards each
 * request is waited for five seconds, and for so long one that finds nobody is sent again; then the cluster
 * counts as away, and whatever is asked fails at once. A cluster that answers may take as long as it likes
 * for all of it.
 */
export class StopDeadline {
  readonly #clock: Clock;
  /** When the signal came, on the monotonic clock. */
  #since: number | undefined;
  #away = false;
  /** For each request under way: begins to count, or ends at once. */
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

  /** Whether what was begun then, and has found nobody, may be tried again. */
  mayRetry(begun: number): boolean {
    if (this.#since !== undefined && this.#clock.monotonic() - Math.max(begun, this.#since) >= REQUEST_MS)
      this.#giveUp();
    return !this.#away;
  }

  /** BROKER_UNAVAILABLE if it is not answered in time; it may then still come to its end, unseen. */
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
    expected: 'one',
    action: 'Start again when it is back: what was not committed is done again.',
  });
