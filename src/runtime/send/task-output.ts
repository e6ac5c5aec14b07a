import type { PartitionOffset, ProducerRecord, TopicPartition, Writer, WriterOptions } from '../../broker/port.js';
import { withPartition } from '../topics/partitioner.js';
import type { TaskScope } from '../topics/task-scope.js';
import { FailureHandler } from './failures.js';
import { Refusals } from './refusals.js';

/**
 * Writes a task's records. Under exactly_once they are in a transaction, which begins with the first record
 * and ends with the commit. Records that the broker refuses are left out; what the policy writes instead is
 * in the same transaction.
 */
export class TaskOutput {
  readonly writer: Writer;
  readonly #options: TaskScope;
  readonly #refusals: Refusals;
  #inTransaction = false;

  private constructor(writer: Writer, options: TaskScope, refusals: Refusals) {
    this.writer = writer;
    this.#options = options;
    this.#refusals = refusals;
  }

  static async open(options: TaskScope, writing: WriterOptions): Promise<TaskOutput> {
    const { topology, config, ports, metrics, topics, partition } = options;
    const refusals = new Refusals({
      failures: new FailureHandler(config, topology.graph, ports.clock, metrics, options.stop),
      place: (letter) => withPartition(letter, topics, partition),
    });
    const writer = await ports.broker.createWriter({ ...writing, onRefused: refusals.add });
    return new TaskOutput(writer, options, refusals);
  }

  async send(records: ProducerRecord[]): Promise<void> {
    if (records.length === 0) return;
    this.#options.metrics.recordsOut += records.length;
    await this.begin();
    await this.writer.write(records);
    await this.#settle();
  }

  /** Resolves when every record was accepted, or refused and settled. */
  async flush(): Promise<void> {
    do await this.writer.flush();
    while (await this.#settle());
  }

  async begin(): Promise<void> {
    if (this.#inTransaction || this.#options.config.guarantee !== 'exactly_once') return;
    await this.writer.begin();
    this.#inTransaction = true;
  }

  committed(): void {
    this.#inTransaction = false;
  }

  /** The ends of these records' partitions, once they are committed: nobody else writes there. */
  endsOf(records: readonly TopicPartition[]): readonly PartitionOffset[] {
    return records.flatMap(({ topic, partition }) => {
      const offset = this.writer.acknowledged(topic, partition);
      return offset === undefined ? [] : [{ topic, partition, offset }];
    });
  }

  /** Returns whether there was anything to settle. */
  async #settle(): Promise<boolean> {
    if (!this.#refusals.any) return false;
    const letters = await this.#refusals.settled();
    if (letters.length > 0) await this.writer.write(letters);
    return true;
  }
}
