import type { BrokerRecord, ProducerRecord } from '../broker/port.js';
import { type HeaderEntry, Headers } from '../model/headers.js';
import { partitionOf } from '../runtime/partitioner.js';
import type { Serde } from '../serdes/serde.js';

export interface TopicSerdes<K, V> {
  readonly key: Serde<K>;
  readonly value: Serde<V>;
}

/** A record to feed in. */
export interface InputRecord<K, V> {
  readonly key: K | null;
  readonly value: V | null;
  /** Milliseconds since the epoch. Default: the driver's clock. */
  readonly timestamp?: number;
  readonly headers?: Headers | Readonly<Record<string, string | Uint8Array | null>>;
  /** Default: by the hash of the key; 0 without one. */
  readonly partition?: number;
}

/** A record that came out. */
export interface OutputRecord<K, V> {
  readonly key: K | null;
  readonly value: V | null;
  readonly timestamp: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly partition: number;
}

export function encodeInput<K, V>(
  topic: string,
  partitions: number,
  { key: keySerde, value: valueSerde }: TopicSerdes<K, V>,
  record: InputRecord<K, V>,
  now: number,
): ProducerRecord {
  const key = record.key === null ? null : keySerde.encode(record.key);
  const value = record.value === null ? null : valueSerde.encode(record.value);
  const headers = record.headers instanceof Headers ? record.headers : Headers.of((record.headers ?? {}) as Record<string, string>);
  const partition = record.partition ?? (key === null ? 0 : partitionOf(key, partitions));
  return { topic, partition, key, value, timestamp: record.timestamp ?? now, headers };
}

export function decodeOutput<K, V>({ key: keySerde, value: valueSerde }: TopicSerdes<K, V>, record: BrokerRecord): OutputRecord<K, V> {
  return {
    key: record.key === null ? null : keySerde.decode(record.key),
    value: record.value === null ? null : valueSerde.decode(record.value),
    timestamp: record.timestamp,
    headers: Object.fromEntries(record.headers.entries.map(([name, value]: HeaderEntry) => [name, value === null ? '' : Buffer.from(value).toString('utf8')])),
    partition: record.partition,
  };
}
