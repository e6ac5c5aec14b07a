import type { ProducerRecord, Writer } from '../broker/port.js';
import type { TaskOptions } from './task-options.js';

/** Where a task's records go out: under exactly_once in a transaction, which begins with the first of them and ends with the commit. */
export class TaskOutput {
  readonly writer: Writer;
  readonly #options: TaskOptions;
  #inTransaction = false;

  constructor(writer: Writer, options: TaskOptions) {
    this.writer = writer;
    this.#options = options;
  }

  async send(records: ProducerRecord[]): Promise<void> {
    if (records.length === 0) return;
    this.#options.metrics.recordsOut += records.length;
    await this.begin();
    await this.writer.write(records);
  }

  async begin(): Promise<void> {
    if (this.#inTransaction || this.#options.config.guarantee !== 'exactly_once') return;
    await this.writer.begin();
    this.#inTransaction = true;
  }

  committed(): void {
    this.#inTransaction = false;
  }
}
