import { type Broker, type BrokerRecord, partitionKey } from '../broker/port.js';
import { whenReady } from '../model/not-ready.js';
import { openedFor, type TopicSerdes } from '../runtime/send.js';
import type { SerdeServices } from '../serdes/serde.js';
import type { TestOutput } from './driver-topics.js';
import { decodeOutput, type OutputRecord } from './topics.js';

/** Bytes as text, whatever they are. */
export const ANY_TEXT = {
  name: 'text',
  encode: (value: string): Buffer => Buffer.from(value),
  decode: (bytes: Buffer): string => bytes.toString('utf8'),
};

/** The records of topics that a test has not read yet. */
export class OutputReading {
  readonly #broker: Broker;
  readonly #services: SerdeServices;
  readonly #fetched = new Map<string, number>();
  readonly #unread = new Map<string, BrokerRecord[]>();

  constructor(broker: Broker, services: SerdeServices) {
    this.#broker = broker;
    this.#services = services;
  }

  /** @param partitionsOf The partitions of the topic; throws if there is no such topic. */
  output<K, V>(
    topic: string,
    serdes: TopicSerdes<K, V>,
    partitionsOf: (topic: string) => Promise<number>,
  ): TestOutput<K, V> {
    /** Decodes the first records, and counts them as read only if that works. */
    const take = async (limit: number): Promise<(readonly [BrokerRecord, OutputRecord<K, V>])[]> => {
      const unread = await this.#fetch(topic, await partitionsOf(topic));
      const opened = await openedFor(topic, 'read', serdes, this.#services);
      const taken: (readonly [BrokerRecord, OutputRecord<K, V>])[] = [];
      for (const record of unread.slice(0, limit))
        taken.push([record, await whenReady(() => decodeOutput(opened, record))]);
      unread.splice(0, taken.length);
      return taken;
    };
    const read = async (): Promise<readonly OutputRecord<K, V>[]> =>
      (await take(Number.POSITIVE_INFINITY)).map(([, record]) => record);
    return {
      read,
      values: async () => (await read()).map(({ value }) => value),
      readRecord: async () => (await take(1))[0]?.[1] ?? null,
      toMap: async () => {
        // Keys are equal if their bytes are: objects are not, as keys of a Map.
        const rows = new Map<string, readonly [K | null, V | null]>();
        for (const [{ key: bytes }, { key, value }] of await take(Number.POSITIVE_INFINITY)) {
          const text = bytes === null ? 'null' : `=${bytes.toString('latin1')}`;
          rows.set(text, [rows.get(text)?.[0] ?? key, value]);
        }
        return new Map(rows.values());
      },
      isEmpty: async () => (await this.#fetch(topic, await partitionsOf(topic))).length === 0,
    };
  }

  /** Adds what the topic has got since, by partition and offset. */
  async #fetch(topic: string, count: number): Promise<BrokerRecord[]> {
    const unread = this.#unread.get(topic) ?? [];
    this.#unread.set(topic, unread);
    const partitions = Array.from({ length: count }, (_, partition) => ({ topic, partition }));
    for (const { offset: end, partition } of await this.#broker.admin.latestOffsets(partitions)) {
      const key = partitionKey(topic, partition);
      let at = this.#fetched.get(key) ?? 0;
      if (at >= end) continue;
      const reader = await this.#broker.createReader();
      reader.seek({ topic, partition, offset: at });
      while (at < end) {
        for (const batch of await reader.poll({ maxRecords: 10_000, maxWaitMs: 0 })) {
          unread.push(...batch.records);
          at = batch.nextOffset;
        }
      }
      this.#fetched.set(key, at);
      await reader.close();
    }
    return unread;
  }
}
