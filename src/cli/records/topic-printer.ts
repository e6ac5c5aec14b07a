import { type Broker, partitionKey, type Reader, type TopicPartition } from '../../broker/port.js';
import { type Clock, sleep } from '../../model/ports.js';
import { recordLines, type ShownSerdes } from '../terminal/show.js';

const MAX_RECORDS = 1_000;
const MAX_WAIT_MS = 1_000;

export interface TopicPrinterOptions {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly topic: string;
  readonly serdes: ShownSerdes | undefined;
  readonly print: (lines: string) => Promise<void> | undefined;
}

/** Prints the records that are written to a topic from now on, even if the topic is created later. */
export class TopicPrinter {
  readonly #options: TopicPrinterOptions;
  readonly #reader: Reader;
  readonly #partitions: TopicPartition[] = [];
  readonly #positions = new Map<string, number>();
  readonly #ended = new AbortController();
  #created = new AbortController();

  private constructor(options: TopicPrinterOptions, reader: Reader) {
    this.#options = options;
    this.#reader = reader;
  }

  /** Starts at the current end of the topic; at the beginning if the topic does not exist yet. */
  static async open(options: TopicPrinterOptions): Promise<TopicPrinter> {
    const { broker, topic } = options;
    const printer = new TopicPrinter(options, await broker.createReader());
    await printer.#attach();
    for (const position of await broker.admin.latestOffsets(printer.#partitions)) printer.#seek({ ...position, topic });
    return printer;
  }

  /** The topic, if it does not exist yet. */
  get missing(): string | undefined {
    return this.#partitions.length === 0 ? this.#options.topic : undefined;
  }

  /** Prints until {@link end} is called, then the records that were written up to that moment. */
  async run(): Promise<void> {
    const { clock, print, serdes } = this.#options;
    try {
      for (;;) {
        const ending = this.#ended.signal.aborted;
        if (this.#partitions.length === 0) await this.#attach();
        if (ending && (await this.#atEnd())) return;
        if (this.#partitions.length === 0) {
          await sleep(clock, MAX_WAIT_MS, AbortSignal.any([this.#ended.signal, this.#created.signal]));
          this.#created = new AbortController();
          continue;
        }
        for (const { topic, partition, records, nextOffset } of await this.#reader.poll({
          maxRecords: MAX_RECORDS,
          maxWaitMs: ending ? 0 : MAX_WAIT_MS,
        })) {
          this.#positions.set(partitionKey(topic, partition), nextOffset);
          await print(await recordLines(records, serdes));
        }
      }
    } finally {
      await this.#reader.close();
    }
  }

  /** Looks for the topic at once, if it was missing: topics were created. */
  look(): void {
    this.#created.abort();
  }

  /** Ends the printing: {@link run} resolves when everything is printed. */
  end(): void {
    this.#ended.abort();
    this.#reader.wakeup();
  }

  async #attach(): Promise<void> {
    const { broker, topic } = this.#options;
    const [found] = await broker.admin.describeTopics([topic]);
    for (let partition = 0; partition < (found?.partitions ?? 0); partition++) {
      this.#partitions.push({ topic, partition });
      this.#seek({ topic, partition, offset: 0 });
    }
  }

  #seek(position: TopicPartition & { readonly offset: number }): void {
    this.#positions.set(partitionKey(position.topic, position.partition), position.offset);
    this.#reader.seek(position);
  }

  async #atEnd(): Promise<boolean> {
    const latest = await this.#options.broker.admin.latestOffsets(this.#partitions);
    return latest.every(
      ({ topic, partition, offset }) => (this.#positions.get(partitionKey(topic, partition)) ?? 0) >= offset,
    );
  }
}
