import type { StreamsError } from '../../model/errors.js';
import type { Clock } from '../../model/ports.js';
import { ConnectionLost, type Peer } from '../../net/peer.js';
import { closedBroker } from '../local/commit-queue.js';
import { Failures, PendingBatches } from '../local/pending-batches.js';
import type { OutgoingBatch } from '../local/writable-log.js';
import { misused } from '../local/writer.js';
import {
  type Membership,
  type PartitionOffset,
  type ProducerRecord,
  partitionKey,
  type Writer,
  type WriterOptions,
} from '../port.js';
import { outcomeUnknown, receivedResult, serverGone } from './errors.js';
import type { KnownPartition, KnownTopics } from './known-topics.js';
import type { Link } from './link.js';
import type { SentResult } from './protocol.js';
import { Unacknowledged } from './unacknowledged.js';

export interface RemoteWriterOptions extends Pick<WriterOptions, 'transactionalId' | 'onResult' | 'onRefused'> {
  readonly link: Link;
  readonly topics: KnownTopics;
  readonly clock: Clock;
  readonly directory: string;
  /** Called when the serving process knows the writer, by a number. */
  readonly onOpen: (number: number, writer: RemoteWriter) => void;
  readonly onClose: (writer: RemoteWriter) => void;
}

/** The writer as the process knows it that serves the broker. */
interface Opened {
  readonly peer: Peer;
  readonly writer: number;
}

/**
 * Writes to the broker that another process serves. Records are checked and encoded here; finished batches go
 * to that process, in order. If it ends, it is unknown whether batches under way were written: `flush`
 * rejects with BROKER_UNAVAILABLE, and later records go to the next process. A transactional writer is fenced
 * (PRODUCER_FENCED).
 *
 * Memory: 8 MiB and one batch for each partition; the other process holds a transaction until it is
 * committed.
 */
export class RemoteWriter implements Writer {
  readonly #options: RemoteWriterOptions;
  readonly #failures = new Failures();
  readonly #outbox: PendingBatches<KnownPartition>;
  readonly #acknowledged = new Map<string, number>();
  readonly #unacknowledged = new Unacknowledged();
  #opened: Promise<Opened> | undefined;
  /** While topics are looked up, later records wait for their turn. */
  #adding: Promise<void> | undefined;
  /** Batches with an unknown outcome. */
  #unknown: StreamsError | undefined;
  #unsynced = false;
  #inTransaction = false;
  #wasOpen = false;
  #fenced = false;
  #closed = false;

  constructor(options: RemoteWriterOptions) {
    this.#options = options;
    const { topics, clock, onResult, onRefused, link } = options;
    this.#outbox = new PendingBatches(topics, clock, this.#failures, onResult, onRefused);
    link.onLost(() => this.#lost());
  }

  /** Opens it in the serving process. This fences an older writer with its transactional id. */
  async open(): Promise<this> {
    for (;;) {
      try {
        await this.#open();
        return this;
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
      }
    }
  }

  write(records: readonly ProducerRecord[]): Promise<void> | undefined {
    this.#check();
    if (this.#options.transactionalId !== undefined && !this.#inTransaction)
      throw misused('records outside a transaction', 'begin() before them');
    if (!this.#adding && this.#options.topics.missing(records).size === 0) return this.#add(records);
    const adding = (this.#adding ?? Promise.resolve()).then(() => this.#addUnknown(records));
    this.#adding = adding;
    void adding.finally(() => {
      if (this.#adding === adding) this.#adding = undefined;
    });
    return adding;
  }

  async flush(): Promise<void> {
    this.#check();
    await this.#adding;
    if (!this.#inTransaction) {
      this.#send(this.#outbox.takeAll());
      await this.#unacknowledged.all();
      if (this.#unsynced) await this.#sync();
    }
    const error = this.#unknown ?? this.#failures.error();
    // A transaction with a failure stays failed until it is aborted.
    if (!this.#inTransaction) this.#forget();
    if (error) throw error;
  }

  acknowledged(topic: string, partition: number): number | undefined {
    return this.#acknowledged.get(partitionKey(topic, partition));
  }

  async begin(): Promise<void> {
    this.#check();
    if (this.#options.transactionalId === undefined)
      throw misused('begin() of a writer without a transactional id', 'a transactionalId in its options');
    if (this.#inTransaction) throw misused('begin() while a transaction is open', 'commit() or abort() first');
    await this.#call('writer.begin');
    this.#inTransaction = true;
  }

  async sendOffsets({ groupId, memberId, generation }: Membership, offsets: readonly PartitionOffset[]): Promise<void> {
    this.#check();
    if (!this.#inTransaction) throw misused('offsets outside a transaction', 'begin() before them');
    const { peer, writer } = await this.#open();
    const member = { groupId, memberId, generation };
    await this.#known(peer.call('writer.offsets', { writer, member, offsets }));
  }

  async commit(): Promise<void> {
    this.#check();
    if (!this.#inTransaction) throw misused('commit() without a transaction', 'begin() first');
    await this.#adding;
    const failure = this.#failures.error();
    if (failure) throw failure;
    this.#send(this.#outbox.takeAll());
    // Closed before it is written: the outcome of a failed commit is unknown, so only abort() or close() may
    // follow.
    this.#inTransaction = false;
    await this.#call('writer.commit');
  }

  async abort(): Promise<void> {
    this.#check();
    this.#outbox.clear();
    this.#forget();
    if (!this.#inTransaction) return;
    this.#inTransaction = false;
    await this.#call('writer.abort');
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      if (!this.#fenced && !this.#inTransaction) await this.flush().catch(unlessFenced);
    } finally {
      const opened = await this.#opened?.catch(() => undefined);
      this.drop();
      await opened?.peer.call('writer.close', { writer: opened.writer }).catch(() => undefined);
    }
  }

  /** Ends it at once: what is not sent is lost. */
  drop(): void {
    this.#closed = true;
    this.#outbox.clear();
    this.#options.onClose(this);
  }

  /** What the serving process says of its batches. */
  written(results: readonly SentResult[]): void {
    for (const sent of results) {
      const result = receivedResult(sent);
      const { topic, partition, offset, count, error } = result;
      if (offset !== undefined) this.#acknowledged.set(partitionKey(topic, partition), offset + count);
      if (error) this.#failures.add({ topic, partition }, count, error);
      this.#options.onResult?.(result);
    }
  }

  #add(records: readonly ProducerRecord[]): Promise<void> | undefined {
    this.#outbox.add(records);
    if (this.#outbox.fullBytes === 0) return undefined;
    this.#send(this.#outbox.takeFull());
    return this.#unacknowledged.isFull ? this.#unacknowledged.room() : undefined;
  }

  /** Never rejects: `flush` reports what failed. */
  async #addUnknown(records: readonly ProducerRecord[]): Promise<void> {
    const { topics } = this.#options;
    try {
      await topics.load(topics.missing(records));
    } catch (error) {
      for (const record of records) this.#failures.add(record, 1, error);
      return;
    }
    await this.#add(records);
  }

  #send(batches: readonly OutgoingBatch<KnownPartition>[]): void {
    if (batches.length === 0) return;
    let bytes = 0;
    for (const batch of batches) bytes += batch.bytes.length;
    this.#unsynced = true;
    this.#unacknowledged.add(bytes, this.#append(batches));
  }

  /** Never rejects: see {@link flush}. */
  async #append(batches: readonly OutgoingBatch<KnownPartition>[]): Promise<void> {
    const sent = batches.map(({ log, from, count, maxTimestamp }) => ({
      ...{ topic: log.topic.name, topicId: log.topic.topicId, partition: log.partition },
      ...{ from, count, maxTimestamp },
    }));
    try {
      const { peer, writer } = await this.#open();
      await peer.call(
        'writer.append',
        { writer, batches: sent },
        batches.map(({ bytes }) => bytes),
      );
    } catch (error) {
      const unknown = error instanceof ConnectionLost ? this.#outcomeUnknown() : (error as StreamsError);
      this.#unknown ??= unknown;
      for (const { topic, partition, from, count } of sent)
        this.#options.onResult?.({ topic, partition, from, count, error: unknown });
    }
  }

  /** Makes the serving process sync its disk. What it refuses, it has told already. */
  async #sync(): Promise<void> {
    this.#unsynced = false;
    await this.#call('writer.flush').catch((error: unknown) => {
      if ((error as StreamsError).code !== 'PRODUCE_FAILED') this.#unknown ??= error as StreamsError;
    });
  }

  async #call(method: 'writer.begin' | 'writer.flush' | 'writer.commit' | 'writer.abort'): Promise<void> {
    const { peer, writer } = await this.#open();
    await this.#known(peer.call(method, { writer }));
  }

  #open(): Promise<Opened> {
    if (this.#fenced) return Promise.reject(serverGone('PRODUCER_FENCED', this.#options.directory));
    if (this.#opened) return this.#opened;
    const opening = this.#opening();
    this.#opened = opening;
    opening.catch(() => {
      if (this.#opened === opening) this.#opened = undefined;
    });
    return opening;
  }

  async #opening(): Promise<Opened> {
    const { link, transactionalId, onOpen } = this.#options;
    const peer = await link.connected();
    const { value } = await peer.call('writer.open', transactionalId === undefined ? {} : { transactionalId });
    onOpen(value as number, this);
    this.#wasOpen = true;
    return { peer, writer: value as number };
  }

  #lost(): void {
    if (this.#wasOpen && this.#options.transactionalId !== undefined) this.#fenced = true;
    this.#opened = undefined;
  }

  #known<T>(call: Promise<T>): Promise<T> {
    return call.catch((error: unknown) => {
      throw error instanceof ConnectionLost ? this.#outcomeUnknown() : error;
    });
  }

  #outcomeUnknown(): StreamsError {
    return outcomeUnknown('records were written', this.#options.directory);
  }

  #forget(): void {
    this.#failures.clear();
    this.#unknown = undefined;
  }

  #check(): void {
    if (this.#closed) throw closedBroker();
    if (this.#fenced) throw serverGone('PRODUCER_FENCED', this.#options.directory);
  }
}

/** What a fenced writer has not written belongs to the newer one. */
function unlessFenced(error: StreamsError): void {
  if (error.code !== 'PRODUCER_FENCED') throw error;
}
