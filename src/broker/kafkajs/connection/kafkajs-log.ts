import { messageOf } from '../../../model/errors.js';
import type { Clock, Logger } from '../../../model/ports.js';

const REPEAT_AFTER_MS = 60_000;
/** More different messages than the brokers of a cluster cause in that time. */
const MAX_REMEMBERED = 1_000;

/** A line of kafkajs' log. */
export interface KafkajsLine {
  readonly namespace: string;
  readonly log: { readonly message: unknown; readonly broker?: string; readonly error?: string };
}

/**
 * Writes kafkajs' log lines to our log. Most of what kafkajs logs as an error is a connection that it
 * retries: ten times in three seconds, on each connection of the process. The first such line in a minute is
 * a warning, the others are debug messages. A final failure is thrown, and logged where it is caught.
 */
export class CalmLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #warnedAt = new Map<string, number>();

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** `awaited`: the failed call has a caller, which gets the error. */
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
