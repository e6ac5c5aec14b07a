import type { Broker, BrokerRecord, ProducerRecord } from '#src/broker/port.js';
import { Headers } from '#src/model/headers.js';
import { numbered, record, unique } from '../../broker/contract.support.js';

/** A new topic of one partition. */
export async function newTopic(broker: Broker, config?: Readonly<Record<string, string>>): Promise<string> {
  const name = unique('topic');
  await broker.admin.createTopics([{ name, partitions: 1, ...(config && { config }) }]);
  return name;
}

/** Everything that can be read of a partition now. */
export async function contents(broker: Broker, topic: string, partition = 0): Promise<readonly BrokerRecord[]> {
  const at = [{ topic, partition }];
  const start = (await broker.admin.earliestOffsets(at))[0]?.offset ?? 0;
  const end = (await broker.admin.latestOffsets(at))[0]?.offset ?? 0;
  const reader = await broker.createReader();
  reader.seek({ topic, partition, offset: start });
  const records: BrokerRecord[] = [];
  for (let position = start; position < end; ) {
    for (const batch of await reader.poll({ maxRecords: 1_000, maxWaitMs: 500 })) {
      records.push(...batch.records);
      position = batch.nextOffset;
    }
  }
  await reader.close();
  return records;
}

/** Records with everything that a record can have, and enough of them that they become smaller by any compression. */
export function samples(topic: string): readonly ProducerRecord[] {
  const headers = new Headers([
    ['a', Buffer.from('1')],
    ['b', null],
    ['a', Buffer.alloc(0)],
    ['ü', Buffer.from([0, 255])],
  ]);
  return [
    record(topic, 'all', { headers }),
    record(topic, 'no key', { key: null, timestamp: 0 }),
    record(topic, 'tombstone', { value: null }),
    record(topic, 'empty', { key: Buffer.alloc(0), value: Buffer.alloc(0) }),
    record(topic, 'long', { value: Buffer.alloc(100_000, 'payment ') }),
    ...numbered(topic, 300),
  ];
}

/** A record as text: what has to be the same wherever it is read. Timestamp, key, value and headers as `test/fixtures/java` writes them. */
export function line({ timestamp, key, value, headers }: Omit<ProducerRecord, 'topic' | 'partition'>): string {
  const text = (bytes: Uint8Array | null): string => (bytes === null ? '-' : Buffer.from(bytes).toString('base64'));
  const entries = headers.entries.map(([name, content]) => `${text(Buffer.from(name))}:${text(content)}`);
  return [timestamp, text(key), text(value), entries.join(',')].join('\t');
}
