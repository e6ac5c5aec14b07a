import { StreamsError } from '../../model/errors.js';
import type { Clock } from '../../model/ports.js';
import type { PartitionOffset, ProducerRecord, WriteResult, Writer, WriterOptions } from '../port.js';
import { closedBroker, type LogChange } from './commit-queue.js';
import type { Groups, MemberGeneration } from './group.js';
import type { ResolvedOffset } from './group-offsets.js';
import { type Log, unknownLogPartition } from './log.js';
import type { PartitionLog } from './partition-log.js';
import { Failures, notTaken, PendingBatches } from './pending-batches.js';
import type { StoredBatch } from './storage.js';
import type { OutgoingBatch } from './writable-log.js';

/** Bytes that a writer buffers before its caller has to wait: about sixty batches. */
const MAX_UNWRITTEN_BYTES = 8 * 1024 * 1024;

/**
 * The newest writer of each transactional id. Opening one ends the older one: none of its records is written
 * any more. Lives as long as the broker: after a restart of the process there is no older writer to fence.
 */
export class TransactionalIds {
  readonly #owners = new Map<string, LocalWriter>();

  take(transactionalId: string, writer: LocalWriter): void {
    this.#owners.set(transactionalId, writer);
  }

  owns(transactionalId: string, writer: LocalWriter): boolean {
    return this.#owners.get(transactionalId) === writer;
  }
}

export interface LocalWriterOptions {
  readonly log: Log;
  readonly clock: Pick<Clock, 'now'>;
  readonly groups: Groups;
  readonly transactionalIds: TransactionalIds;
  readonly transactionalId: string | undefined;
  readonly onResult?: WriterOptions['onResult'];
  readonly onRefused?: WriterOptions['onRefused'];
  readonly onClose: (writer: LocalWriter) => void;
}

/**
 * Writes to the local log. Records are copied when they are passed in.
 *
 * Without a transaction, full batches are written while more records are added, and the rest by `flush`,
 * which syncs the disk. In a transaction everything stays in memory until `commit` writes it together with
 * the offsets, in one atomic synced write. Nothing is visible before, not even to `read_uncommitted` readers.
 * Memory: 8 MiB and one batch per partition; in a transaction, the whole transaction.
 */
export class LocalWriter implements Writer {
  readonly #log: Log;
  readonly #groups: Groups;
  readonly #ids: TransactionalIds;
  readonly #transactionalId: string | undefined;
  readonly #failures = new Failures();
  readonly #outbox: PendingBatches<PartitionLog>;
  readonly #acknowledged = new Map<PartitionLog, number>();
  readonly #pending = new Set<Promise<void>>();
  #unwritten = 0;
  #unsynced = false;
  #transaction: { readonly offsets: SentOffsets[] } | undefined;
  #closed = false;
  readonly #onClose: (writer: LocalWriter) => void;
  readonly #onResult: WriterOptions['onResult'];

  constructor(options: LocalWriterOptions) {
    this.#log = options.log;
    this.#groups = options.groups;
    this.#ids = options.transactionalIds;
    this.#transactionalId = options.transactionalId;
    this.#onClose = options.onClose;
    this.#onResult = options.onResult;
    this.#outbox = new PendingBatches(this.#log, options.clock, this.#failures, options.onResult, options.onRefused);
    if (this.#transactionalId !== undefined) this.#ids.take(this.#transactionalId, this);
  }

  write(records: readonly ProducerRecord[]): Promise<void> | undefined {
    this.#check();
    if (this.#transactionalId !== undefined && !this.#transaction)
      throw misused('records outside a transaction', 'begin() before them');
    this.#outbox.add(records);
    if (this.#transaction || this.#outbox.fullBytes === 0) return undefined;
    this.#send(this.#outbox.takeFull(), false);
    return this.#unwritten > MAX_UNWRITTEN_BYTES ? this.#room() : undefined;
  }

  /**
   * Writes finished batches of a writer in another process. Outside a transaction it resolves when they are
   * written; {@link flush} reports what failed. In a transaction they wait for `commit`.
   */
  async append(batches: readonly OutgoingBatch[]): Promise<void> {
    this.#check();
    this.#outbox.addFull(batches);
    if (this.#transaction) return;
    this.#send(this.#outbox.takeFull(), false);
    await Promise.allSettled(this.#pending);
  }

  async flush(): Promise<void> {
    this.#check();
    if (!this.#transaction) {
      const rest = this.#outbox.takeAll();
      if (rest.length > 0 || this.#unsynced) this.#send(rest, true);
      await Promise.all(this.#pending);
    }
    const error = this.#failures.error();
    // A transaction with a failure stays failed until it is aborted.
    if (!this.#transaction) this.#failures.clear();
    if (error) throw error;
  }

  acknowledged(topic: string, partition: number): number | undefined {
    const log = this.#log.find(topic, partition);
    return log && this.#acknowledged.get(log);
  }

  async begin(): Promise<void> {
    this.#check();
    if (this.#transactionalId === undefined)
      throw misused('begin() of a writer without a transactional id', 'a transactionalId in its options');
    if (this.#transaction) throw misused('begin() while a transaction is open', 'commit() or abort() first');
    this.#transaction = { offsets: [] };
  }

  async sendOffsets(membership: MemberGeneration, offsets: readonly PartitionOffset[]): Promise<void> {
    this.#check();
    if (!this.#transaction) throw misused('offsets outside a transaction', 'begin() before them');
    const { groupId, memberId, generation } = membership;
    const member = { groupId, memberId, generation };
    this.#groups.checkMember(member);
    this.#log.resolve(offsets);
    this.#transaction.offsets.push({ member, offsets });
  }

  async commit(): Promise<void> {
    this.#check();
    const transaction = this.#transaction;
    if (!transaction) throw misused('commit() without a transaction', 'begin() first');
    const failure = this.#failures.error();
    if (failure) throw failure;
    // Closed before it is written: the outcome of a failed commit is unknown, so only abort() or close() may
    // follow.
    this.#transaction = undefined;
    const batches = this.#outbox.takeAll();
    if (batches.length > 0 || transaction.offsets.length > 0)
      await this.#log.queue.submit(this.#commitChange(batches, transaction.offsets));
  }

  async abort(): Promise<void> {
    this.#check();
    this.#drop();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    const fenced = this.#fenced;
    const open = this.#transaction !== undefined;
    try {
      if (!fenced && !open) await this.flush();
    } finally {
      this.drop();
    }
  }

  /** Ends the writer as a crash of its process would: what is not written is lost. */
  drop(): void {
    this.#closed = true;
    this.#drop();
    this.#onClose(this);
  }

  get #fenced(): boolean {
    return this.#transactionalId !== undefined && !this.#ids.owns(this.#transactionalId, this);
  }

  #drop(): void {
    this.#transaction = undefined;
    this.#outbox.clear();
    this.#failures.clear();
  }

  #send(batches: readonly OutgoingBatch[], sync: boolean): void {
    let bytes = 0;
    for (const batch of batches) bytes += batch.bytes.length;
    this.#unwritten += bytes;
    this.#unsynced = !sync;
    const done = this.#log.queue
      .submit(this.#appendChange(batches, sync))
      .catch((error: unknown) => {
        for (const batch of batches) this.#fail(batch, error);
        // A failed sync without batches of its own must still fail the callers that wait for it.
        if (batches.length === 0) throw error;
      })
      .finally(() => {
        this.#unwritten -= bytes;
        this.#pending.delete(done);
      });
    done.catch(() => undefined);
    this.#pending.add(done);
  }

  #appendChange(batches: readonly OutgoingBatch[], sync: boolean): LogChange {
    const stored: { readonly batch: OutgoingBatch; readonly stored: StoredBatch }[] = [];
    return {
      sync,
      prepare: (draft) => {
        for (const batch of batches) {
          const refusal = gone(batch);
          if (refusal) this.#fail(batch, refusal);
          else stored.push({ batch, stored: this.#log.prepareAppend(draft, batch) });
        }
      },
      apply: () => {
        for (const { batch, stored: written } of stored) this.#appended(batch, written);
      },
    };
  }

  #commitChange(batches: readonly OutgoingBatch[], sent: readonly SentOffsets[]): LogChange {
    const stored: StoredBatch[] = [];
    let groups: readonly { readonly groupId: string; readonly offsets: readonly ResolvedOffset[] }[] = [];
    return {
      sync: true,
      prepare: (draft) => {
        this.#check();
        for (const batch of batches) {
          const refusal = gone(batch);
          if (refusal) throw refusal;
        }
        groups = sent.map(({ member, offsets }) => {
          this.#groups.checkMember(member);
          return { groupId: member.groupId, offsets: this.#log.resolve(offsets) };
        });
        for (const { groupId, offsets } of groups) this.#log.offsets.prepareCommit(draft, groupId, offsets);
        for (const batch of batches) stored.push(this.#log.prepareAppend(draft, batch));
      },
      apply: () => {
        for (const { groupId, offsets } of groups) this.#log.offsets.applyCommit(groupId, offsets);
        batches.forEach((batch, i) => this.#appended(batch, stored[i] as StoredBatch));
      },
    };
  }

  #appended(batch: OutgoingBatch, stored: StoredBatch): void {
    this.#acknowledged.set(batch.log, stored.baseOffset + batch.count);
    this.#log.applyAppend(batch.log, stored);
    if (this.#onResult) this.#onResult({ ...this.#placeOf(batch), offset: stored.baseOffset });
  }

  #fail(batch: OutgoingBatch, cause: unknown): void {
    const at = { topic: batch.log.topic.name, partition: batch.log.partition };
    this.#failures.add(at, batch.count, cause);
    if (this.#onResult) this.#onResult({ ...this.#placeOf(batch), error: notTaken(at, batch.count, cause) });
  }

  #placeOf({ log, from, count }: OutgoingBatch): Pick<WriteResult, 'topic' | 'partition' | 'from' | 'count'> {
    return { topic: log.topic.name, partition: log.partition, from, count };
  }

  /** Waits until half of the limit is free. */
  async #room(): Promise<void> {
    while (this.#unwritten > MAX_UNWRITTEN_BYTES / 2) await Promise.race(this.#pending);
  }

  #check(): void {
    if (this.#closed) throw closedBroker();
    if (!this.#fenced) return;
    this.#drop();
    throw new StreamsError('PRODUCER_FENCED', {
      what: 'cannot write',
      at: `transactional id ${this.#transactionalId}`,
      saw: 'a newer writer with this id',
      expected: 'one writer for each transactional id',
      action: 'Close this writer: its open transaction is aborted, and the newer one goes on.',
    });
  }
}

interface SentOffsets {
  readonly member: MemberGeneration;
  readonly offsets: readonly PartitionOffset[];
}

/** A topic may be deleted between the acceptance of a record and its write. */
function gone(batch: OutgoingBatch): StreamsError | undefined {
  const { topic, partition } = batch.log;
  return topic.deleted ? unknownLogPartition(topic.name, partition, undefined) : undefined;
}

export function misused(saw: string, expected: string): StreamsError {
  return new StreamsError('TRANSACTION_INVALID', {
    what: 'the writer was used out of order',
    saw,
    expected,
    action: 'Call begin, write, sendOffsets and then commit or abort.',
  });
}
