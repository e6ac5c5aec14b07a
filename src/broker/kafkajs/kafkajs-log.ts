import { messageOf } from '../../model/errors.js';
import type { Clock, Logger } from '../../model/ports.js';

const REPEAT_AFTER_MS = 60_000;
/** More than the brokers of a cluster have to say in that time. */
const MAX_REMEMBERED = 1_000;

/** A line of kafkajs' log. */
export interface KafkajsLine {
  readonly namespace: string;
  readonly log: { readonly message: unknown; readonly broker?: string; readonly error?: string };
}

/**
 * What kafkajs says, in our log. What it calls an error is mostly a connection that it tries again, ten times
 * in three seconds, on each of the connections that a process has: a warning the first time in a minute, else
 * a debug message. What fails in the end is thrown, and said by whoever catches it.
 */
export class CalmLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #warnedAt = new Map<string, number>();

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** `awaited`: somebody waits for what failed here, and is told. */
  take({ namespace, log }: KafkajsLine, awaited: boolean): void {
    const message = messageOf(log.message);
    const level = awaited || this.#warnedLately(`${log.broker}: ${message}`) ? 'debug' : 'warn';
    this.#logger[level]({ from: `kafkajs ${namespace}`, broker: log.broker, error: log.error }, message);
  }

  #warnedLately(line: string): boolean {
    const now = this.#clock.now();
    const at = this.#warnedAt.get(line);
    if (at !== undefined && now - at < REPEAT_AFTER_MS) return true;
    if (this.#warnedAt.size >= MAX_REMEMBERED) this.#warnedAt.clear();
    this.#warnedAt.set(line, now);
    return false;
  }
}
