import type { Broker, Writer } from '../../broker/port.js';
import { StreamsError } from '../../model/errors.js';
import { LOG_CONFIG } from '../../runtime/topics/topic-uses.js';
import type { ReplayedRecord } from './replay.js';

/**
 * Writes the outputs of a replay to topics `<prefix><topic>` with as many partitions as the topic itself. It
 * creates them, and throws TOPIC_EXISTS if one exists already, so that it never adds records to a topic that
 * another application reads.
 *
 * ```ts no-run
 * const shadow = new ShadowTopics(broker, 'check-');
 * await replay(shop, { broker, onOutput: (records) => shadow.write(records) });
 * await shadow.close(); // check-balances
 * ```
 */
export class ShadowTopics {
  readonly #broker: Broker;
  readonly #prefix: string;
  readonly #made = new Set<string>();
  #writer: Writer | undefined;

  constructor(broker: Broker, prefix: string) {
    if (prefix === '') {
      throw new StreamsError('CONFIG_INVALID', {
        what: 'cannot name shadow topics',
        saw: 'an empty prefix',
        expected: 'a text that no topic begins with',
        action: 'Choose one, for example "shadow-".',
      });
    }
    this.#broker = broker;
    this.#prefix = prefix;
  }

  async write(records: readonly ReplayedRecord[]): Promise<void> {
    for (const topic of new Set(records.map((record) => record.topic))) await this.#make(topic);
    this.#writer ??= await this.#broker.createWriter();
    await this.#writer.write(
      records.map(({ topic, partition, timestamp, key, value, headers }) => ({
        topic: this.#prefix + topic,
        partition,
        timestamp,
        key,
        value,
        headers,
      })),
    );
  }

  /** Waits until everything is written. */
  async close(): Promise<void> {
    await this.#writer?.flush();
    await this.#writer?.close();
  }

  async #make(topic: string): Promise<void> {
    if (this.#made.has(topic)) return;
    const [like] = await this.#broker.admin.describeTopics([topic]);
    await this.#broker.admin.createTopics([
      { name: this.#prefix + topic, partitions: like?.partitions ?? 1, config: LOG_CONFIG },
    ]);
    this.#made.add(topic);
  }
}
