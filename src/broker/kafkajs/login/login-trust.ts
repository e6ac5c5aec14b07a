import type { Clock } from '../../../model/ports.js';

/**
 * How long a login that was accepted before may be refused: when a password is rotated, brokers and clients
 * change one after the other.
 */
const ROTATION_MS = 300_000;

/** The history of a login: decides whether a refusal is final. */
export class LoginTrust {
  readonly #clock: Clock;
  #accepted = false;
  #refusedSince: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  accepted(): void {
    this.#accepted = true;
    this.#refusedSince = undefined;
  }

  /**
   * Records a refusal. True if another attempt cannot help: the login was never accepted, or has been refused
   * for five minutes. Until then, each attempt reads the credentials again, and the refusal counts as
   * transient, like an unreachable broker.
   */
  refused(): boolean {
    if (!this.#accepted) return true;
    const now = this.#clock.monotonic();
    this.#refusedSince ??= now;
    return now - this.#refusedSince >= ROTATION_MS;
  }
}
