import { type Admin, type PartitionOffset, partitionKey, type TopicPartition } from '../broker/port.js';
import type { Clock, Logger } from '../model/ports.js';
import { isPassing } from './retry.js';

/**
 * How long a partition may keep silent, although records of it are known, before its end is asked for again.
 */
const ASK_AGAIN_MS = 1_000;

/** What is waited for: a partition, and up to where. */
export interface SilentPartition extends TopicPartition {
  end: number;
}

export interface KnownEndsOptions {
  readonly admin: Pick<Admin, 'latestOffsets'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Keeps a wait for records that are known to exist from being one for ever: a log may have lost its end (an
 * unclean election of a leader, a topic made anew). Once a second it asks where the partitions that keep
 * silent end now; what comes back is true, however slow the cluster is, so that no clock ever decides what a
 * result is.
 */
export class KnownEnds {
  readonly #options: KnownEndsOptions;
  #waitsSince: number | undefined;
  #asking = false;
  #failure: unknown;

  constructor(options: KnownEndsOptions) {
    this.#options = options;
  }

  /** Nothing is waited for. */
  rest(): void {
    this.#waitsSince = undefined;
  }

  /**
   * Called again and again while somebody waits for these, after each poll. It asks beside, and sets their
   * ends when it knows them. Throws what an earlier question has failed with, if that does not pass:
   * TOPIC_UNKNOWN if the topic is gone.
   */
  askFor(silent: () => readonly SilentPartition[], onAnswer: () => void): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
    const now = this.#options.clock.monotonic();
    this.#waitsSince ??= now;
    if (this.#asking || now - this.#waitsSince < ASK_AGAIN_MS) return;
    this.#asking = true;
    void this.#ask(silent()).finally(() => {
      this.#asking = false;
      this.#waitsSince = undefined;
      onAnswer();
    });
  }

  async #ask(silent: readonly SilentPartition[]): Promise<void> {
    const { admin, logger } = this.#options;
    const asked = silent.map((awaited) => ({ awaited, end: awaited.end }));
    try {
      const ends = byKey(await admin.latestOffsets(silent));
      for (const { awaited, end } of asked) {
        const { topic, partition } = awaited;
        const now = ends.get(partitionKey(topic, partition));
        // Of an end that has risen meanwhile the answer says nothing.
        if (now === undefined || now >= end || awaited.end !== end) continue;
        awaited.end = now;
        logger.warn(
          { topic, partition },
          `${topic}[${partition}] ended at offset ${end}, and ends at ${now} now: what was between is lost (a leader without it was elected, or the topic was made anew)`,
        );
      }
    } catch (error) {
      // A cluster that is away is told by whoever reads.
      if (!isPassing(error)) this.#failure = error;
    }
  }
}

const byKey = (offsets: readonly PartitionOffset[]): ReadonlyMap<string, number> =>
  new Map(offsets.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]));
