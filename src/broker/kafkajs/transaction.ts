import { StreamsError } from '../../model/errors.js';
import { type Membership, type PartitionOffset, partitionKey, type TopicPartition } from '../port.js';
import type { Client } from './client.js';
import { asStreamsError, CODE, check, codeOf, FENCED } from './errors.js';
import { checkOffsets, checkResults } from './group-offsets.js';
import type { Request } from './request.js';
import {
  addOffsetsRequest,
  addPartitionsRequest,
  endTransactionRequest,
  initProducerIdRequest,
  type ProducerIdentity,
  txnOffsetCommitRequest,
} from './requests-records.js';

/** The transaction before is still being finished, or the one who was fenced is being aborted: a few milliseconds. */
const concurrent = (error: unknown): boolean => codeOf(error) === CODE.concurrentTransactions;

/**
 * The transactions of one transactional id, as the coordinator knows them.
 *
 * Errors: PRODUCER_FENCED if another writer took the id over or the broker has timed the transaction out (it tells both by the same code, and the same
 * is to be done), GROUP_FENCED, BROKER_UNAVAILABLE after a minute.
 */
export class Transactions {
  #identity: ProducerIdentity | undefined;
  readonly #added = new Set<string>();
  readonly #groups = new Set<string>();
  fenced: StreamsError | undefined;

  constructor(
    readonly client: Client,
    readonly transactionalId: string,
    /** The broker aborts a transaction that is open for longer. */
    readonly timeoutMs: number,
  ) {}

  /** A new epoch: fences others, and aborts their open transaction. */
  async init(): Promise<ProducerIdentity> {
    this.#identity = await this.#ask(initProducerIdRequest(this.transactionalId, this.timeoutMs, this.#identity));
    this.#added.clear();
    this.#groups.clear();
    return this.#identity;
  }

  /** Tells the coordinator to which partitions the transaction writes, before anything is sent to them. Asks nothing if it knows. */
  async addPartitions(partitions: readonly TopicPartition[]): Promise<void> {
    const unknown = partitions.filter(({ topic, partition }) => !this.#added.has(partitionKey(topic, partition)));
    if (unknown.length === 0) return;
    const request = addPartitionsRequest(this.#me, unknown);
    await this.#ask({
      ...request,
      read: (from) => {
        // Those that are fine are answered with "not attempted" if others are not.
        const results = request.read(from);
        const failed =
          results.find(({ error }) => error !== CODE.none && error !== NOT_ATTEMPTED) ??
          results.find(({ error }) => error !== CODE.none);
        if (failed) check(failed.error, `${failed.topic}[${failed.partition}]`, failed.topic);
      },
    });
    for (const { topic, partition } of unknown) this.#added.add(partitionKey(topic, partition));
  }

  async addOffsets(membership: Membership, offsets: readonly PartitionOffset[]): Promise<void> {
    await checkOffsets(this.client, offsets);
    if (offsets.length === 0) return;
    const { groupId, memberId, generation } = membership;
    if (!this.#groups.has(groupId)) await this.#ask(addOffsetsRequest(this.#me, groupId));
    this.#groups.add(groupId);
    const request = txnOffsetCommitRequest(this.#me, { groupId, memberId, generation }, offsets);
    await this.#translated(() =>
      this.client.askCoordinator(
        'group',
        groupId,
        { ...request, read: (from) => checkResults(groupId, request.read(from)) },
        { retry: concurrent },
      ),
    );
  }

  /**
   * Commits or aborts, and waits until that is done in every partition: 1 to 30 ms. The coordinator answers when it has decided; asked the
   * same again it answers "concurrent transactions" until all markers are written. Who reads then sees it, and the next transaction can begin
   * at once. Nothing is asked if the transaction is empty.
   */
  async end(commit: boolean): Promise<void> {
    if (this.#added.size === 0 && this.#groups.size === 0) return;
    const request = endTransactionRequest(this.#me, commit);
    await this.#ask(request);
    await this.#ask(request);
    this.#added.clear();
    this.#groups.clear();
  }

  get #me(): ProducerIdentity & { readonly transactionalId: string } {
    const { id, epoch } = this.#identity ?? { id: -1, epoch: -1 };
    return { transactionalId: this.transactionalId, id, epoch };
  }

  #ask<R>(request: Request<R>): Promise<R> {
    return this.#translated(() =>
      this.client.askCoordinator('transaction', this.transactionalId, request, { retry: concurrent }),
    );
  }

  async #translated<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (FENCED.has(codeOf(error))) throw this.fence(error);
      if (codeOf(error) === INVALID_TIMEOUT) throw this.#timeoutRefused(error);
      throw asStreamsError(error, 'the transaction failed', `transactional id ${this.transactionalId}`);
    }
  }

  #timeoutRefused(cause: unknown): StreamsError {
    return new StreamsError('CONFIG_INVALID', {
      what: 'cannot open a transactional writer',
      at: `transactional id ${this.transactionalId}`,
      saw: `transactionTimeout ${this.timeoutMs}ms`,
      expected:
        'at most transaction.max.timeout.ms of the brokers, which is 15 minutes by default, and more than nothing',
      action: 'Lower the option, or raise that of the brokers.',
      cause,
    });
  }

  /** From here on every call is refused with this. */
  fence(cause: unknown): StreamsError {
    this.fenced ??= new StreamsError('PRODUCER_FENCED', {
      what: 'cannot write',
      at: `transactional id ${this.transactionalId}`,
      saw: 'a newer writer with this id, or a transaction that was open for too long',
      expected: 'one writer for each transactional id',
      action: 'Close this writer: its open transaction is aborted, and the newer one goes on.',
      cause,
    });
    return this.fenced;
  }
}

const NOT_ATTEMPTED = 55;
const INVALID_TIMEOUT = 50;
