import type { Clock } from '../../model/ports.js';

/**
 * So long a login that was taken before may be refused: whoever rotates a password changes brokers and
 * clients one after the other.
 */
const ROTATION_MS = 300_000;

/** What is known of a login: whether a refusal is the last word. */
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
   * Notes a refusal. True if another attempt would be no use: the login was never taken, or has been refused
   * for five minutes. Until then credentials are read again with each attempt, and it passes as a broker that
   * is away does.
   */
  refused(): boolean {
    if (!this.#accepted) return true;
    const now = this.#clock.monotonic();
    this.#refusedSince ??= now;
    return now - this.#refusedSince >= ROTATION_MS;
  }
}
