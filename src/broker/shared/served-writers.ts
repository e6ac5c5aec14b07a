import type { LocalConnection } from '../local/broker.js';
import { type Log, unknownLogPartition } from '../local/log.js';
import type { OutgoingBatch } from '../local/writable-log.js';
import type { LocalWriter } from '../local/writer.js';
import type { WriteResult, WriterOptions } from '../port.js';
import { sentResult } from './errors.js';
import type { Answers, ClientCalls, ServerCalls, WriterCall, WrittenBatch } from './protocol.js';

type WriterCalls = Pick<ClientCalls, Extract<keyof ClientCalls, `writer.${string}`>>;

/** Tells the client the outcome of its batches. */
export type TellWritten = (call: ServerCalls['written']['input']) => void;

/** The writers of one client. Its batches are finished: the client has checked and encoded their records. */
export class ServedWriters {
  readonly #log: Log;
  readonly #connection: LocalConnection;
  readonly #tell: TellWritten;
  readonly #writers = new Map<number, LocalWriter>();
  #next = 1;

  readonly answers: Answers<WriterCalls> = {
    'writer.open': (options) => this.#open(options),
    'writer.append': (call, parts) => this.#append(call, parts),
    'writer.flush': (call) => this.#find(call).flush(),
    'writer.begin': (call) => this.#find(call).begin(),
    'writer.offsets': ({ member, offsets, ...call }) => this.#find(call).sendOffsets(member, offsets),
    'writer.commit': (call) => this.#find(call).commit(),
    'writer.abort': (call) => this.#find(call).abort(),
    'writer.close': (call) => this.#close(call),
  };

  constructor(log: Log, connection: LocalConnection, tell: TellWritten) {
    this.#log = log;
    this.#connection = connection;
    this.#tell = tell;
  }

  async #open({ transactionalId }: Pick<WriterOptions, 'transactionalId'>): Promise<{ readonly value: number }> {
    const writer = this.#next++;
    let results: WriteResult[] = [];
    const tell = (): void => {
      const told = results;
      results = [];
      this.#tell({ writer, results: told.map(sentResult) });
    };
    const onResult = (result: WriteResult): void => {
      // Everything that one write has brought is told together.
      if (results.length === 0) queueMicrotask(tell);
      results.push(result);
    };
    const options = { onResult, ...(transactionalId !== undefined && { transactionalId }) };
    this.#writers.set(writer, await this.#connection.createWriter(options));
    return { value: writer };
  }

  async #append(
    { batches, ...call }: WriterCall & { readonly batches: readonly WrittenBatch[] },
    parts: readonly Buffer[],
  ): Promise<void> {
    const writer = this.#find(call);
    const known: OutgoingBatch[] = [];
    for (const [i, { topic, partition, topicId, from, count, maxTimestamp }] of batches.entries()) {
      const log = this.#log.find(topic, partition);
      if (log?.topicId === topicId) known.push({ log, bytes: parts[i] as Buffer, from, count, maxTimestamp });
      else {
        const error = unknownLogPartition(topic, partition, this.#log.topic(topic));
        this.#tell({ ...call, results: [sentResult({ topic, partition, from, count, error })] });
      }
    }
    await writer.append(known);
  }

  async #close(call: WriterCall): Promise<void> {
    const writer = this.#find(call);
    this.#writers.delete(call.writer);
    await writer.close();
  }

  #find({ writer }: WriterCall): LocalWriter {
    const found = this.#writers.get(writer);
    if (!found) throw new Error(`there is no writer ${writer}`);
    return found;
  }
}
