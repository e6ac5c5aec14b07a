import type { Broker, ProducerRecord } from '../broker/port.js';
import { StreamsError } from '../model/errors.js';
import { Headers } from '../model/headers.js';
import type { SchemaRegistry } from '../serdes/registry/port.js';
import { asKey, type Serde, type SerdeServices, type SerdeUsage } from '../serdes/serde.js';
import { noRegistry, SerdeBindings } from './config/serde-bindings.js';
import { systemClock } from './config/system.js';
import { partitionOf } from './topics/partitioner.js';

/** The serdes of a topic's keys and values. */
export interface TopicSerdes<K, V> {
  readonly key: Serde<K>;
  readonly value: Serde<V>;
}

/** The serdes of a topic, with what schema serdes need. */
export interface SendSerdes<K, V> extends TopicSerdes<K, V> {
  /** Where Avro serdes find schemas. Default: no registry. */
  readonly schemaRegistry?: SchemaRegistry;
  /** Register schemas that the registry does not have. Default: they must be there. */
  readonly registerSchemas?: boolean;
}

/** A record to write to a topic. */
export interface InputRecord<K, V> {
  readonly key: K | null;
  readonly value: V | null;
  /** Milliseconds since the epoch. Default: now. */
  readonly timestamp?: number;
  readonly headers?: Headers | Readonly<Record<string, string | Uint8Array | null>>;
  /** Default: chosen by the hash of the key; 0 for a record without a key. */
  readonly partition?: number;
}

/** Opens the serdes of a topic. */
export async function openedFor<K, V>(
  topic: string,
  use: SerdeUsage['use'],
  { key, value }: TopicSerdes<K, V>,
  services: SerdeServices,
): Promise<TopicSerdes<K, V>> {
  // No internal topics have to be named here.
  const places = new SerdeBindings({ ...services, applicationId: '' });
  const opened = {
    key: places.at(asKey(key), { topic, side: 'key', use }),
    value: places.at(value, { topic, side: 'value', use }),
  };
  await places.open();
  return opened;
}

/** Encodes records for a topic with this number of partitions. */
export function encodeRecords<K, V>(
  topic: string,
  partitions: number,
  serdes: TopicSerdes<K, V>,
  records: readonly InputRecord<K, V>[],
  now: number,
): ProducerRecord[] {
  return records.map((record) => {
    const key = record.key === null ? null : serdes.key.encode(record.key);
    const value = record.value === null ? null : serdes.value.encode(record.value);
    const headers = record.headers instanceof Headers ? record.headers : Headers.of(record.headers ?? {});
    const partition = record.partition ?? (key === null ? 0 : partitionOf(key, partitions));
    return { topic, partition, key, value, timestamp: record.timestamp ?? now, headers };
  });
}

export const unknownTopic = (topic: string): StreamsError =>
  new StreamsError('TOPIC_UNKNOWN', {
    what: 'there is no such topic',
    saw: topic,
    action: 'Create it, or correct the name.',
  });

/**
 * Writes records to a topic, in order, to the partitions that Kafka's own clients would choose. Resolves when
 * the broker has them. It opens a writer for each call: a service that writes often uses {@link
 * openProducer}. A failed call may have written some of the records. Errors: TOPIC_UNKNOWN, PRODUCE_FAILED,
 * and those of the schema registry if Avro serdes are used.
 *
 * ```ts no-run
 * await send(broker, 'payments', { key: serdes.string, value: serdes.json<Payment>() }, [{ key: 'a', value: payment }]);
 * ```
 */
export async function send<K, V>(
  broker: Broker,
  topic: string,
  serdes: SendSerdes<K, V>,
  records: readonly InputRecord<NoInfer<K>, NoInfer<V>>[],
): Promise<void> {
  const [known] = await broker.admin.describeTopics([topic]);
  if (!known) throw unknownTopic(topic);
  const { schemaRegistry, registerSchemas = false } = serdes;
  const services = { schemaRegistry: schemaRegistry ? async () => schemaRegistry : noRegistry, registerSchemas };
  const opened = await openedFor(topic, 'write', serdes, services);
  const writer = await broker.createWriter();
  try {
    await writer.write(encodeRecords(topic, known.partitions, opened, records, systemClock.now()));
    await writer.flush();
  } finally {
    await writer.close();
  }
}
