import type { Logger } from '../../../model/ports.js';
import type { TopicPartition } from '../../port.js';

/**
 * How long a leader may be silent before a warning is logged: a healthy broker answers a fetch within a fifth
 * of a second.
 */
export const TELL_AFTER_MS = 5_000;
/**
 * How long a leader may be silent before the wait ends: if another leader is possible, it is elected sooner.
 */
const GIVE_UP_AFTER_MS = 60_000;

/**
 * Measures how long the leader of one partition has not answered for it. Answers of other leaders do not
 * count.
 */
export class LeaderSilence {
  readonly #where: TopicPartition;
  readonly #logger: Logger;
  #since: number | undefined;
  #broker: number | undefined;
  #told = false;

  constructor(where: TopicPartition, logger: Logger) {
    this.#where = where;
    this.#logger = logger;
  }

  /** A fetch was sent. Undefined broker: the leader has yet to be found. */
  asked(now: number, broker: number | undefined): void {
    this.#since ??= now;
    this.#broker = broker ?? this.#broker;
  }

  /** Fetches pause: a later silence is counted separately. */
  rest(): void {
    this.#since = undefined;
    this.#told = false;
  }

  answered(now: number): void {
    if (this.#told) this.#logger.info(this.#fields, `${this.#leader} answers again, after ${this.#seconds(now)} s`);
    this.rest();
  }

  /**
   * Whether the leader has been silent for too long; the wait then ends, and the next one starts from zero.
   */
  isOver(now: number): boolean {
    if (this.#since === undefined || now - this.#since < GIVE_UP_AFTER_MS) return false;
    this.rest();
    return true;
  }

  /** Logs one warning if the leader has been silent for a while. */
  tell(now: number): void {
    if (this.#told || this.#since === undefined || now - this.#since < TELL_AFTER_MS) return;
    this.#told = true;
    this.#logger.warn(
      this.#fields,
      `${this.#leader} has not answered for ${this.#seconds(now)} s; its records, and all that must follow them, wait for it`,
    );
  }

  get #fields(): object {
    const { topic, partition } = this.#where;
    return { topic, partition, broker: this.#broker };
  }

  get #leader(): string {
    const { topic, partition } = this.#where;
    return this.#broker === undefined
      ? `the leader of ${topic}[${partition}]`
      : `broker ${this.#broker}, which leads ${topic}[${partition}],`;
  }

  #seconds(now: number): number {
    return Math.round((now - (this.#since ?? now)) / 1_000);
  }
}
