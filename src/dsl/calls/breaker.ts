/** Whether calls may begin. `trial`: one, and its end decides. */
type Allowed = 'yes' | 'no' | 'trial';

/**
 * Pauses the calls of an operator in one task after a number of failures in a row. It lives in memory: it
 * decides when calls begin, and never what follows from them.
 */
export class Breaker {
  readonly #options: { readonly failures: number; readonly pauseMs: number } | undefined;
  #inRow = 0;
  #openUntil: number | undefined;
  #isTrying = false;

  /** @param options Undefined: calls never pause. */
  constructor(options: { readonly failures: number; readonly pauseMs: number } | undefined) {
    this.#options = options;
  }

  allows(now: number): Allowed {
    if (this.#openUntil === undefined) return 'yes';
    return this.#isTrying || now < this.#openUntil ? 'no' : 'trial';
  }

  /** When a call may begin that may not begin now; positive infinity: when one has ended. */
  get opensAt(): number {
    if (this.#openUntil === undefined) return Number.NEGATIVE_INFINITY;
    return this.#isTrying ? Number.POSITIVE_INFINITY : this.#openUntil;
  }

  /** The trial begins. */
  tries(): void {
    this.#isTrying = true;
  }

  /** A call was answered. Returns whether the pause ends. */
  answered(): boolean {
    const wasOpen = this.#openUntil !== undefined;
    this.#inRow = 0;
    this.#openUntil = undefined;
    this.#isTrying = false;
    return wasOpen;
  }

  /** A call failed. Returns whether a pause begins. `isTrial`: it was the one that decides. */
  failed(now: number, isTrial: boolean): boolean {
    if (this.#options === undefined) return false;
    const { failures, pauseMs } = this.#options;
    this.#inRow++;
    // Calls that ran when the pause began end later: they do not prolong it.
    if (this.#openUntil !== undefined && !isTrial) return false;
    if (!isTrial && this.#inRow < failures) return false;
    this.#openUntil = now + pauseMs;
    this.#isTrying = false;
    return true;
  }
}
