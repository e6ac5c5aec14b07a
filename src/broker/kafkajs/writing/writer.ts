import { messageOf, StreamsError } from '../../../model/errors.js';
import {
  type Membership,
  type PartitionOffset,
  type ProducerRecord,
  partitionKey,
  type TransactionScope,
  type Writer,
} from '../../port.js';
import type { Client } from '../connection/client.js';
import type { WriterSettings } from '../login/writer-options.js';
import { asStreamsError, brokerClosed } from '../wire/errors.js';
import { PartitionQueue } from './partition-queue.js';
import { Sender } from './sender.js';
import { Transactions } from './transaction.js';
import { type OnRefused, type OnResult, WriteResults } from './write-results.js';

/** Unacknowledged bytes from which the caller has to wait: about thirty full batches. */
const MAX_UNSENT_BYTES = 16 * 1024 * 1024;
/** The limit for all writers of a broker together: an application has one writer per task. */
const TOTAL_UNSENT_BYTES = 64 * 1024 * 1024;
/** The least for each writer, so that its requests stay large enough to be efficient. */
const MIN_UNSENT_BYTES = 256 * 1024;

/** How many bytes each of that many writers may have unacknowledged. */
export const unsentBytesOf = (writers: number): number =>
  Math.max(MIN_UNSENT_BYTES, Math.min(MAX_UNSENT_BYTES, TOTAL_UNSENT_BYTES / Math.max(writers, 1)));

interface OpenOptions {
  readonly client: Client;
  readonly transactionalId: string | undefined;
  readonly transactionScope?: TransactionScope | undefined;
  readonly onResult?: OnResult | undefined;
  readonly onRefused?: OnRefused | undefined;
  readonly settings: WriterSettings;
  /** {@link unsentBytesOf} the current number of writers. */
  readonly unsentBytes: () => number;
  readonly onClose: (writer: KafkaWriter) => void;
}

/**
 * Writes to a Kafka cluster, idempotently: what is sent again after a broken connection is in the log once.
 *
 * Full batches (`batchBytes`) are sent while more records are added. The others are sent when their oldest
 * record has waited for `linger`, at the latest by `flush`. Records of a partition keep their order. A full
 * batch is compressed on the caller's thread.
 *
 * Memory: 16 MiB and the records of one `write` call. With many writers of a broker, each has less, down to
 * 256 KiB, so that the total stays 64 MiB.
 *
 * Errors: see {@link Writer}. PRODUCE_FAILED names the size of a record that is larger than the topic allows.
 * A broker that does not respond for two minutes fails the flush.
 */
export class KafkaWriter implements Writer {
  readonly endMarkers = true;
  readonly #client: Client;
  readonly #transactions: Transactions | undefined;
  readonly #sender: Sender;
  readonly #results: WriteResults;
  readonly #queues = new Map<string, PartitionQueue>();
  readonly #byTopic = new Map<string, PartitionQueue[]>();
  readonly #settings: WriterSettings;
  readonly #unsentBytes: () => number;
  readonly #onClose: (writer: KafkaWriter) => void;
  #open = false;
  /** Bytes of records that are not in a batch yet. */
  #openBytes = 0;
  #stopLinger: (() => void) | undefined;
  /** The error because of which the open transaction can only be aborted. */
  #spoilt: unknown;
  /** The number of aborts: a commit that waited meanwhile must not commit the rest. */
  #aborted = 0;
  #closed = false;

  private constructor(options: OpenOptions) {
    const { client, transactionalId, transactionScope, onResult, onRefused, settings, unsentBytes, onClose } = options;
    this.#client = client;
    this.#unsentBytes = unsentBytes;
    this.#settings = settings;
    this.#transactions =
      transactionalId === undefined
        ? undefined
        : new Transactions(client, transactionalId, settings.transactionTimeoutMs, transactionScope);
    this.#results = new WriteResults(onResult, onRefused);
    this.#sender = new Sender(client, this.#queues, this.#transactions, this.#results);
    this.#onClose = onClose;
  }

  /**
   * With a transactional id: fences the previous writer and aborts its open transaction before it resolves.
   */
  static async open(options: OpenOptions): Promise<KafkaWriter> {
    const writer = new KafkaWriter(options);
    await writer.#sender.renew();
    return writer;
  }

  write(records: readonly ProducerRecord[]): Promise<void> | undefined {
    this.#check();
    if (this.#transactions && !this.#open) throw misused('records outside a transaction', 'begin() before them');
    let completed = 0;
    try {
      for (const record of records) {
        const queue = this.#queueOf(record);
        const before = queue.openBytes;
        completed += queue.makeRoom(record);
        try {
          queue.add(record);
        } catch (error) {
          // An invalid timestamp.
          if (!this.#results.leftOut(record, record.origin, error as StreamsError)) throw error;
        }
        this.#openBytes += queue.openBytes - before;
      }
    } finally {
      if (completed > 0) this.#sender.send(completed);
    }
    const most = this.#unsentBytes();
    if (this.#sender.unsentBytes + this.#openBytes > most) {
      this.#sendOpen();
      return this.#sender.below(most / 2);
    }
    if (this.#openBytes > 0)
      this.#stopLinger ??= this.#client.clock.after(this.#settings.lingerMs, () => this.#sendOpen());
    return undefined;
  }

  async flush(): Promise<void> {
    this.#check();
    await this.#flush();
  }

  acknowledged(topic: string, partition: number): number | undefined {
    return this.#queues.get(partitionKey(topic, partition))?.acknowledged;
  }

  async begin(): Promise<void> {
    this.#check();
    if (!this.#transactions)
      throw misused('begin() of a writer without a transactional id', 'a transactionalId in its options');
    if (this.#open) throw misused('begin() while a transaction is open', 'commit() or abort() first');
    await this.#sender.renewIfNeeded();
    this.#open = true;
    this.#spoilt = undefined;
  }

  async sendOffsets(membership: Membership, offsets: readonly PartitionOffset[]): Promise<void> {
    this.#check();
    if (!this.#transactions || !this.#open) throw misused('offsets outside a transaction', 'begin() before them');
    try {
      await this.#transactions.addOffsets(membership, offsets);
    } catch (error) {
      this.#spoilt = error;
      throw error;
    }
  }

  /** See {@link Writer.commit}. Resolves when readers see the transaction and its offsets. */
  async commit(): Promise<void> {
    this.#check();
    if (!this.#transactions || !this.#open) throw misused('commit() without a transaction', 'begin() first');
    if (this.#spoilt !== undefined) throw this.#spoilt;
    const aborted = this.#aborted;
    await this.#flush();
    if (this.#aborted !== aborted) throw misused('abort() or close() while it committed', 'nothing else until then');
    // Closed before the commit is decided: the outcome of a failed commit is unknown, so only abort() or
    // close() may follow.
    this.#open = false;
    try {
      await this.#transactions.end(true);
    } catch (error) {
      this.#sender.needsRenewal = true;
      throw error;
    }
  }

  async abort(): Promise<void> {
    this.#check();
    await this.#abort();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      if (this.#transactions?.fenced) return;
      if (this.#open) await this.#abort();
      else if (!this.#transactions) await this.#flush();
    } catch (error) {
      // The writer that fenced this one has aborted its transaction.
      if (!(error instanceof StreamsError && error.code === 'PRODUCER_FENCED')) throw error;
    } finally {
      this.#closed = true;
      this.#noneOpen();
      this.#sender.close();
      this.#onClose(this);
    }
  }

  /**
   * Looks up the topic and then the partition: a string key for every record would cost as much as encoding
   * the record.
   */
  #queueOf({ topic, partition }: ProducerRecord): PartitionQueue {
    let ofTopic = this.#byTopic.get(topic);
    if (!ofTopic) {
      ofTopic = [];
      this.#byTopic.set(topic, ofTopic);
    }
    let queue = ofTopic[partition];
    if (!queue) {
      queue = new PartitionQueue(topic, partition, this.#settings);
      ofTopic[partition] = queue;
      this.#queues.set(partitionKey(topic, partition), queue);
    }
    return queue;
  }

  /** Sends the records that are not in a batch yet. */
  #sendOpen(): void {
    this.#noneOpen();
    let completed = 0;
    for (const queue of this.#queues.values()) completed += queue.complete();
    this.#sender.send(completed);
  }

  #noneOpen(): void {
    this.#stopLinger?.();
    this.#stopLinger = undefined;
    this.#openBytes = 0;
  }

  async #flush(): Promise<void> {
    this.#sendOpen();
    await this.#sender.below(0);
    this.#check();
    const error = this.#sender.failure();
    if (!error) return;
    // A transaction with a failure stays failed until it is aborted.
    if (this.#open) this.#spoilt = error;
    this.#sender.clearFailure();
    throw error;
  }

  async #abort(): Promise<void> {
    this.#noneOpen();
    this.#aborted++;
    this.#sender.drop();
    await this.#sender.below(0);
    this.#sender.clearFailure();
    if (!this.#open || !this.#transactions) return;
    this.#open = false;
    this.#spoilt = undefined;
    try {
      await this.#transactions.end(false);
    } catch (error) {
      // The next epoch aborts it too.
      this.#sender.needsRenewal = true;
      throw asStreamsError(error, `cannot abort: ${messageOf(error)}`, 'the transaction');
    }
  }

  #check(): void {
    if (this.#closed) throw brokerClosed();
    if (this.#transactions?.fenced) throw this.#transactions.fenced;
  }
}

function misused(saw: string, expected: string): StreamsError {
  return new StreamsError('TRANSACTION_INVALID', {
    what: 'the writer was used out of order',
    saw,
    expected,
    action: 'Call begin, write, sendOffsets and then commit or abort.',
  });
}
