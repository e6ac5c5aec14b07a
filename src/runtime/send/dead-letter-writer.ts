import type { Broker, ProducerRecord, Writer } from '../../broker/port.js';
import { withPartition } from '../topics/partitioner.js';
import type { TopicCounts } from '../topics/topics.js';
import type { FailureHandler } from './failures.js';
import { asLetter, Refusals } from './refusals.js';

/** Writes the dead letters of records that no task reads, outside of any transaction: at least once. */
export class DeadLetterWriter {
  readonly #broker: Broker;
  readonly #refusals: Refusals;
  readonly #place: (letter: Omit<ProducerRecord, 'partition'>) => Promise<ProducerRecord>;
  #writer: Writer | undefined;
  #waiting: Omit<ProducerRecord, 'partition'>[] = [];

  constructor(broker: Broker, topics: TopicCounts, failures: FailureHandler) {
    this.#broker = broker;
    this.#place = (letter) => withPartition(letter, topics, 0);
    this.#refusals = new Refusals({ failures, place: this.#place });
  }

  add(record: Omit<ProducerRecord, 'partition'>): void {
    this.#waiting.push(record);
  }

  /** Resolves when every added record is acknowledged, shortened if the broker does not accept all of it. */
  async flush(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const records = this.#waiting;
    this.#waiting = [];
    this.#writer ??= await this.#broker.createWriter({ onRefused: this.#refusals.add });
    const placed: ProducerRecord[] = [];
    for (const record of records) placed.push(asLetter(await this.#place(record)));
    await this.#writer.write(placed);
    await this.#writer.flush();
    while (this.#refusals.any) {
      await this.#writer.write(await this.#refusals.settled());
      await this.#writer.flush();
    }
  }

  async close(): Promise<void> {
    await this.#writer?.close();
  }
}
