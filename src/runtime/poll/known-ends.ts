import { type Admin, type PartitionOffset, partitionKey, type TopicPartition } from '../../broker/port.js';
import type { Clock, Logger } from '../../model/ports.js';
import { isPassing } from '../config/retry.js';

/** How long a partition with known records may stay silent before its end is looked up again. */
const ASK_AGAIN_MS = 1_000;

/** A partition that is waited for, up to an offset. */
export interface SilentPartition extends TopicPartition {
  end: number;
  /** Whether only a record of an internal input says that there are records up to the end. */
  isDoubted?: boolean;
}

export interface KnownEndsOptions {
  readonly admin: Pick<Admin, 'latestOffsets'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Ends waits for records that no longer exist: a log may have lost its end (an unclean leader election, or a
 * topic that was created again). Once a second it looks up the current ends of the silent partitions. The
 * answer is valid however slow the cluster is, so no clock ever affects a result.
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
   * Called after each poll while these partitions are waited for. It looks up their ends in the background,
   * and sets them when the answer arrives. Throws the error of an earlier lookup if it does not pass by
   * itself: TOPIC_UNKNOWN if the topic no longer exists.
   */
  askFor(silent: () => readonly SilentPartition[], onAnswer: () => void): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
    const now = this.#options.clock.monotonic();
    this.#waitsSince ??= now;
    if (this.#asking) return;
    const waitsFor = silent();
    if (now - this.#waitsSince < ASK_AGAIN_MS && !waitsFor.some(({ isDoubted }) => isDoubted)) return;
    this.#asking = true;
    void this.#ask(waitsFor).finally(() => {
      this.#asking = false;
      this.#waitsSince = undefined;
      onAnswer();
    });
  }

  async #ask(silent: readonly SilentPartition[]): Promise<void> {
    const { admin, logger } = this.#options;
    const asked = silent.map((awaited) => ({ awaited, end: awaited.end, isDoubted: awaited.isDoubted }));
    for (const awaited of silent) awaited.isDoubted = false;
    try {
      const ends = byKey(await admin.latestOffsets(silent));
      for (const { awaited, end, isDoubted } of asked) {
        const { topic, partition } = awaited;
        const now = ends.get(partitionKey(topic, partition));
        // The answer does not apply to an end that has risen meanwhile.
        if (now === undefined || now >= end || awaited.end !== end) continue;
        awaited.end = now;
        logger.warn(
          { topic, partition },
          isDoubted
            ? `${topic}[${partition}] ends at ${now}, and a record of an internal input has its place at ${end}: its turn is after the last record (the topic was created again)`
            : `${topic}[${partition}] ended at offset ${end}, and ends at ${now} now: the records between are lost (a leader without them was elected, or the topic was created again)`,
        );
      }
    } catch (error) {
      // The reader reports a cluster that does not answer.
      if (!isPassing(error)) this.#failure = error;
    }
  }
}

const byKey = (offsets: readonly PartitionOffset[]): ReadonlyMap<string, number> =>
  new Map(offsets.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]));
