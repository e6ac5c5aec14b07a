import { type Broker, type ProducerRecord, partitionKey, type WriteResult, type Writer } from '../broker/port.js';
import type { StreamsError } from '../model/errors.js';
import { noRegistry } from './config/serde-bindings.js';
import { systemClock } from './config/system.js';
import { encodeRecords, type InputRecord, openedFor, type SendSerdes, type TopicSerdes, unknownTopic } from './send.js';

/** Where the broker has put a record. */
export interface RecordPosition {
  readonly topic: string;
  readonly partition: number;
  /** Null if the broker only says that it has the record. */
  readonly offset: number | null;
}

/** Writes records to one topic: see {@link openProducer}. */
export interface Producer<K, V> {
  /**
   * Writes records in order. Resolves when the broker has them, with the position of each. Calls may overlap:
   * their records are written in the order of the calls, and each call fails for its own records alone.
   *
   * Errors: SERIALIZE_FAILED or what the serde throws, and none of the call's records is written.
   * PRODUCE_FAILED for the first record that the broker refuses; BROKER_UNAVAILABLE if it is unknown whether
   * records were written.
   */
  send(...records: readonly InputRecord<K, V>[]): Promise<readonly RecordPosition[]>;
  /** Waits for what is under way, and releases the writer. */
  close(): Promise<void>;
}

/** A record that was given to the writer, and what has become of it. */
interface Given {
  offset: number | null;
  error: StreamsError | undefined;
  known: boolean;
}

/**
 * Opens a producer of one topic, for a service that writes often: it keeps one writer open, where `send`
 * opens one for each call. Close it before the broker.
 *
 * Errors: TOPIC_UNKNOWN, and those of the schema registry if Avro serdes are used.
 *
 * ```ts no-run
 * const orders = await openProducer(broker, 'orders', { key: serdes.string, value: serdes.json<Order>() });
 * const [at] = await orders.send({ key: order.id, value: order });
 * console.log(at); // → { topic: 'orders', partition: 2, offset: 41 }
 * await orders.close();
 * ```
 */
export async function openProducer<K, V>(
  broker: Broker,
  topic: string,
  serdes: SendSerdes<K, V>,
): Promise<Producer<K, V>> {
  const [known] = await broker.admin.describeTopics([topic]);
  if (!known) throw unknownTopic(topic);
  const { schemaRegistry, registerSchemas = false } = serdes;
  const services = { schemaRegistry: schemaRegistry ? async () => schemaRegistry : noRegistry, registerSchemas };
  const opened = await openedFor(topic, 'write', serdes, services);
  const producer = new TopicProducer(topic, known.partitions, opened);
  producer.writer = await broker.createWriter({ onResult: (result) => producer.take(result) });
  return producer;
}

class TopicProducer<K, V> implements Producer<K, V> {
  writer!: Writer;
  readonly #topic: string;
  readonly #partitions: number;
  readonly #serdes: TopicSerdes<K, V>;
  /**
   * The records of each partition whose outcome is not known, by their numbers, which the writer counts, too.
   */
  readonly #given = new Map<string, Map<number, Given>>();
  readonly #next = new Map<string, number>();

  constructor(topic: string, partitions: number, serdes: TopicSerdes<K, V>) {
    this.#topic = topic;
    this.#partitions = partitions;
    this.#serdes = serdes;
  }

  async send(...records: readonly InputRecord<K, V>[]): Promise<readonly RecordPosition[]> {
    const encoded = encodeRecords(this.#topic, this.#partitions, this.#serdes, records, systemClock.now());
    const given = encoded.map((record) => this.#give(record));
    let failure: unknown;
    try {
      const full = this.writer.write(encoded);
      if (full) await full;
      await this.writer.flush();
    } catch (error) {
      // It may be of the records of another call.
      failure = error;
    }
    for (const { error, known } of given) {
      if (error) throw error;
      if (!known && failure !== undefined) throw failure;
    }
    return given.map(({ offset }, i) => ({
      topic: this.#topic,
      partition: (encoded[i] as ProducerRecord).partition,
      offset,
    }));
  }

  async close(): Promise<void> {
    await this.writer.close();
  }

  /** What has become of records. */
  take({ topic, partition, from, count, offset, error }: WriteResult): void {
    const waiting = this.#given.get(partitionKey(topic, partition));
    for (let i = 0; i < count; i++) {
      const given = waiting?.get(from + i);
      if (!given) continue;
      waiting?.delete(from + i);
      given.known = true;
      given.offset = offset === undefined ? null : offset + i;
      given.error = error;
    }
  }

  #give({ topic, partition }: ProducerRecord): Given {
    const key = partitionKey(topic, partition);
    const number = this.#next.get(key) ?? 0;
    this.#next.set(key, number + 1);
    const given: Given = { offset: null, error: undefined, known: false };
    let waiting = this.#given.get(key);
    if (!waiting) {
      waiting = new Map();
      this.#given.set(key, waiting);
    }
    waiting.set(number, given);
    return given;
  }
}
