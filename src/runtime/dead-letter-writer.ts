import type { Broker, ProducerRecord, Writer } from '../broker/port.js';
import { partitionOf } from './partitioner.js';
import type { TopicCounts } from './topics.js';

/** Writes dead letters of what no task reads, outside of any transaction: at least once. */
export class DeadLetterWriter {
  readonly #broker: Broker;
  readonly #topics: TopicCounts;
  #writer: Writer | undefined;
  #waiting: Omit<ProducerRecord, 'partition'>[] = [];

  constructor(broker: Broker, topics: TopicCounts) {
    this.#broker = broker;
    this.#topics = topics;
  }

  add(record: Omit<ProducerRecord, 'partition'>): void {
    this.#waiting.push(record);
  }

  /** Resolves when everything that was added is acknowledged. */
  async flush(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const records = this.#waiting;
    this.#waiting = [];
    this.#writer ??= await this.#broker.createWriter();
    const placed: ProducerRecord[] = [];
    for (const record of records) {
      const partitions = await this.#topics.partitionsOf(record.topic);
      placed.push({ ...record, partition: record.key === null ? 0 : partitionOf(record.key, partitions) });
    }
    await this.#writer.write(placed);
    await this.#writer.flush();
  }

  async close(): Promise<void> {
    await this.#writer?.close();
  }
}
