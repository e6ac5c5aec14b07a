import type { Logger } from '../../model/ports.js';
import type { TopicPartition } from '../port.js';

/**
 * So long a leader may be silent before that is said: a broker that is well answers a fetch within a fifth of
 * a second.
 */
export const TELL_AFTER_MS = 5_000;
/** And so long before the wait ends: another leader is elected sooner, if there is one. */
const GIVE_UP_AFTER_MS = 60_000;

/**
 * How long the leader of one partition has not answered for it. What other leaders answer says nothing of
 * this one.
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

  /** It is asked; undefined: who it is has to be found out first. */
  asked(now: number, broker: number | undefined): void {
    this.#since ??= now;
    this.#broker = broker ?? this.#broker;
  }

  /** It is not asked any more, for a time: what comes then is another silence. */
  rest(): void {
    this.#since = undefined;
    this.#told = false;
  }

  answered(now: number): void {
    if (this.#told) this.#logger.info(this.#fields, `${this.#leader} answers again, after ${this.#seconds(now)} s`);
    this.rest();
  }

  /** Whether it has been waited for long enough; the wait is then over, and the next one begins anew. */
  isOver(now: number): boolean {
    if (this.#since === undefined || now - this.#since < GIVE_UP_AFTER_MS) return false;
    this.rest();
    return true;
  }

  /** Says once that it is silent, if it has been for a while. */
  tell(now: number): void {
    if (this.#told || this.#since === undefined || now - this.#since < TELL_AFTER_MS) return;
    this.#told = true;
    this.#logger.warn(
      this.#fields,
      `${this.#leader} has not answered for ${this.#seconds(now)} s; it is waited for, and so is all that comes behind its records`,
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
