import type { Broker, ProducerRecord, RefusedRecord, Writer } from '../../broker/port.js';
import { Disorder, type Disordered, type DisorderOptions } from '../../model/disorder.js';
import { isStreamsError, StreamsError } from '../../model/errors.js';
import type { Clock } from '../../model/ports.js';
import { partitionOf } from '../../runtime/topics/partitioner.js';
import { counted, formatCount, type Rate } from '../terminal/rate.js';
import { type InputFields, inputRecord, type ParsedLine } from './input-record.js';
import { type Line, readLines } from './json-lines.js';

export interface SendOptions extends InputFields {
  readonly broker: Broker;
  readonly topic: string;
  readonly partitions: number;
  readonly input: AsyncIterable<Uint8Array>;
  /** Names the input in errors. */
  readonly at: string;
  /** The input is a pipe: lines are sent at once, because the next ones may take long. */
  readonly live: boolean;
  readonly clock: Clock;
  readonly disorder: DisorderOptions;
  /** Ends sending after the lines that were already read. */
  readonly signal: AbortSignal;
  readonly onProgress: (sent: Sent) => void;
}

export interface Sent {
  /** Records written, copies included. */
  readonly records: number;
  readonly duplicated: number;
  /** Lines with another position among the lines. */
  readonly displaced: number;
  /** Bytes of input that were read. */
  readonly bytes: number;
  /** False if it was stopped before the end of the input. */
  readonly complete: boolean;
}

/**
 * Sends the lines of an input to a topic, in input order or in the requested disorder; resolves when the
 * broker has them. Records with a key go to the partition of its hash, as with Kafka's own clients; the
 * others go to all partitions in turn.
 *
 * A line that is not a record ends it with INPUT_INVALID: every line before it is sent; this line and those
 * after it are not. So does one that the broker refuses, because it is too large, with PRODUCE_FAILED; some
 * lines after it may then be sent. Memory: the lines of one chunk, and the window of the disorder.
 */
export async function sendLines(options: SendOptions): Promise<Sent> {
  const refused: Refused[] = [];
  const onRefused = ({ origin, error }: RefusedRecord): void => void refused.push({ line: origin as number, error });
  const writer = await options.broker.createWriter({ onRefused });
  const sender = new Sender(options, writer, refused);
  try {
    const complete = await readAll(options, sender);
    await sender.finish();
    return sender.sent(complete);
  } catch (error) {
    if (isStreamsError(error) && error.code === 'INPUT_INVALID') {
      await sender.finish();
      options.onProgress(sender.sent(false));
    }
    throw error;
  } finally {
    await writer.close();
  }
}

/** Whether the input was read to its end. */
async function readAll({ input, at, live, signal, onProgress }: SendOptions, sender: Sender): Promise<boolean> {
  try {
    for await (const lines of readLines(input, at)) {
      await sender.add(lines);
      if (live) await sender.flush();
      onProgress(sender.sent(false));
      if (signal.aborted) return false;
    }
    return true;
  } catch (error) {
    // An input that the signal ends fails with its own error.
    if (signal.aborted && !isStreamsError(error)) return false;
    throw error;
  }
}

/** A line that the broker does not take. */
interface Refused {
  readonly line: number;
  readonly error: StreamsError;
}

class Sender {
  readonly #options: SendOptions;
  readonly #refused: readonly Refused[];
  readonly #writer: Writer;
  readonly #deliveries: Disorder<ParsedLine>;
  readonly #now: () => number;
  #records = 0;
  #duplicated = 0;
  #displaced = 0;
  #keyless = 0;
  #bytes = 0;

  constructor(options: SendOptions, writer: Writer, refused: readonly Refused[]) {
    this.#options = options;
    this.#refused = refused;
    this.#writer = writer;
    this.#deliveries = new Disorder(options.disorder);
    this.#now = () => options.clock.now();
  }

  sent(complete: boolean): Sent {
    return {
      records: this.#records,
      duplicated: this.#duplicated,
      displaced: this.#displaced,
      bytes: this.#bytes,
      complete,
    };
  }

  /** If a line is not a record, those before it are still sent. */
  async add(lines: readonly Line[]): Promise<void> {
    const ready: ProducerRecord[] = [];
    try {
      for (const line of lines) {
        const record = inputRecord(line, this.#options, this.#options.at, this.#now);
        for (const delivery of this.#deliveries.push(record)) ready.push(this.#deliver(delivery));
        this.#bytes = line.end;
      }
    } finally {
      await this.#writer.write(ready);
    }
    this.#check();
  }

  async flush(): Promise<void> {
    await this.#writer.flush();
    this.#check();
  }

  async finish(): Promise<void> {
    await this.#writer.write(this.#deliveries.end().map((delivery) => this.#deliver(delivery)));
    await this.flush();
  }

  /** PRODUCE_FAILED names the first line that the broker refused. */
  #check(): void {
    const [first] = [...this.#refused].sort((a, b) => a.line - b.line);
    if (!first) return;
    throw new StreamsError('PRODUCE_FAILED', {
      what: `the broker refused the line ${this.#options.at}:${first.line}: ${first.error.problem}`,
      action:
        'Correct the line, or what the topic accepts. The lines before it were sent; some after it may have been.',
      cause: first.error,
    });
  }

  #deliver({ item, index, copy }: Disordered<ParsedLine>): ProducerRecord {
    const { topic, partitions } = this.#options;
    if (copy) this.#duplicated++;
    else if (index !== this.#records - this.#duplicated) this.#displaced++;
    this.#records++;
    const partition = item.key === null ? this.#keyless++ % partitions : partitionOf(item.key, partitions);
    const { key, value, timestamp, headers, number } = item;
    return { topic, partition, timestamp, key, value, headers, origin: number };
  }
}

/** `payments: 12,000 sent (48%), 9,000 records/s, 1.4 s left` */
export function sendingText(topic: string, sent: Sent, rate: Rate, size: number | undefined): string {
  const share = size === undefined || size === 0 ? undefined : sent.bytes / size;
  const left = share === undefined || share === 0 ? 0 : sent.records / share - sent.records;
  return `${topic}: ${formatCount(sent.records)} sent${share === undefined ? '' : ` (${Math.floor(share * 100)}%)`}, ${rate.text(left)}`;
}

/** `sent 105 records to payments (5 duplicated, 90 displaced)` */
export function sentText(topic: string, { records, duplicated, displaced, complete }: Sent): string {
  return `sent ${counted(records, 'record')} to ${topic} (${formatCount(duplicated)} duplicated, ${formatCount(displaced)} displaced)${complete ? '' : ', not all of the input'}`;
}
