import type { BrokerRecord } from '../broker/port.js';
import type { HeaderEntry } from '../model/headers.js';
import type { TopicSerdes } from '../runtime/send.js';

/** A record of an output topic. */
export interface OutputRecord<K, V> {
  readonly key: K | null;
  readonly value: V | null;
  readonly timestamp: number;
  readonly headers: Readonly<Record<string, string>>;
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
    headers: Object.fromEntries(
      record.headers.entries.map(([name, value]: HeaderEntry) => [
        name,
        value === null ? '' : Buffer.from(value).toString('utf8'),
      ]),
    ),
    partition: record.partition,
  };
}
