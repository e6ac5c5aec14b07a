import type { Admin, PartitionOffset } from '../broker/port.js';
import { repartitionTopic } from '../graph/naming.js';
import { messageOf } from '../model/errors.js';
import type { Clock, Logger } from '../model/ports.js';
import type { TaskOptions } from './task-options.js';

/**
 * As often as in Kafka Streams (`repartition.purge.interval.ms`): what a topic holds at most is what passes
 * through it meanwhile.
 */
const PURGE_EVERY_MS = 30_000;

/**
 * Deletes from the repartition topics of a task what is processed and committed: nobody else reads them, and
 * without it they would grow for ever. A failure (a missing right, say) is logged once, and costs nothing but
 * disk.
 */
export class RepartitionPurge {
  readonly #topics: ReadonlySet<string>;
  readonly #ports: { readonly admin: Admin; readonly clock: Clock; readonly logger: Logger };
  #last: number;
  #warned = false;

  private constructor(
    topics: readonly string[],
    ports: { readonly admin: Admin; readonly clock: Clock; readonly logger: Logger },
  ) {
    this.#topics = new Set(topics);
    this.#ports = ports;
    this.#last = ports.clock.monotonic();
  }

  /** Of the repartition topics that a task reads. */
  static of({ config, ports, subTopology }: TaskOptions): RepartitionPurge {
    const topics = subTopology.repartitions.map((name) => repartitionTopic(config.version.prefix, name));
    return new RepartitionPurge(topics, { admin: ports.broker.admin, clock: ports.clock, logger: config.logger });
  }

  /** Called after each commit. */
  async committed(positions: readonly PartitionOffset[]): Promise<void> {
    const { admin, clock, logger } = this.#ports;
    const now = clock.monotonic();
    if (this.#topics.size === 0 || now - this.#last < PURGE_EVERY_MS) return;
    this.#last = now;
    const done = positions.filter(({ topic }) => this.#topics.has(topic));
    try {
      await admin.deleteRecords(done.map(({ topic, partition, offset }) => ({ topic, partition, offset })));
    } catch (error) {
      if (!this.#warned) {
        this.#warned = true;
        logger.warn({}, `cannot delete processed records of ${[...this.#topics].join(', ')}: ${messageOf(error)}`);
      }
    }
  }
}
