import type { Admin, PartitionOffset } from '../../broker/port.js';
import { repartitionTopic } from '../../graph/naming.js';
import { messageOf } from '../../model/errors.js';
import type { Clock, Logger } from '../../model/ports.js';
import type { TaskScope } from '../topics/task-scope.js';

/**
 * The same interval as in Kafka Streams (`repartition.purge.interval.ms`). A topic holds at most the records
 * that pass through it in this time.
 */
const PURGE_EVERY_MS = 30_000;

/**
 * Deletes processed and committed records from the repartition topics of a task: it is their only reader, and
 * without deletion the topics would grow for ever. A failure (such as a missing permission) is logged once,
 * and only costs disk space.
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

  /** For the repartition topics that a task reads. */
  static of({ config, ports, subTopology }: TaskScope): RepartitionPurge {
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
