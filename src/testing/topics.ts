import type { BrokerRecord } from '../broker/port.js';
import { Headers } from '../model/headers.js';
import type { TopicSerdes } from '../runtime/send.js';

/** A record of an output topic. */
export interface OutputRecord<K, V> {
  readonly key: K | null;
  readonly value: V | null;
  readonly timestamp: number;
  readonly headers: Headers;
  readonly partition: number;
}

export function decodeOutput<K, V>(
  { key: keySerde, value: valueSerde }: TopicSerdes<K, V>,
  record: BrokerRecord,
): OutputRecord<K, V> {
  return {
    key: record.key === null ? null : keySerde.decode(record.key, record.headers),
    value: record.value === null ? null : valueSerde.decode(record.value, record.headers),
    timestamp: record.timestamp,
    headers: new Headers(record.headers.entries),
    partition: record.partition,
  };
}
