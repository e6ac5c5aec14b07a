import { StreamsError } from '../../../model/errors.js';
import {
  type Membership,
  type PartitionOffset,
  partitionKey,
  type TopicPartition,
  type TransactionScope,
} from '../../port.js';
import type { Client } from '../connection/client.js';
import { checkOffsets, checkResults } from '../group/group-offsets.js';
import { asStreamsError, CODE, codeOf, FENCED, throwUnlessNone } from '../wire/errors.js';
import type { Request } from '../wire/request.js';
import { describeTransactionRequest, type TransactionState } from '../wire/requests-producers.js';
import {
  addOffsetsRequest,
  addPartitionsRequest,
  endTransactionRequest,
  initProducerIdRequest,
  type ProducerIdentity,
  txnOffsetCommitRequest,
} from '../wire/requests-records.js';
import { isDenied } from '../wire/rights.js';
import { isNothing, stillOpen, type Touched } from './lost-markers.js';

/**
 * The previous transaction is still being completed, or that of a fenced producer is being aborted: this
 * takes a few milliseconds.
 */
const concurrent = (error: unknown): boolean => codeOf(error) === CODE.concurrentTransactions;

/**
 * The transactions of one transactional id at the coordinator.
 *
 * Errors: GROUP_FENCED, BROKER_UNAVAILABLE after a minute, and PRODUCER_FENCED. The last one has two causes:
 * another writer took over the id, or the broker has timed the transaction out. The codes are the same, and
 * so is the reaction.
 */
export class Transactions {
  #identity: ProducerIdentity | undefined;
  readonly #added = new Map<string, TopicPartition>();
  readonly #offsets = new Map<string, readonly TopicPartition[]>();
  fenced: StreamsError | undefined;

  constructor(
    readonly client: Client,
    readonly transactionalId: string,
    /** The broker aborts a transaction that is open for longer. */
    readonly timeoutMs: number,
    readonly transactionScope?: TransactionScope,
  ) {}

  /**
   * Gets a new epoch: this fences other producers and aborts their open transaction. What their last
   * transaction left open (see {@link Touched}) is ended with the same outcome.
   */
  async init(): Promise<ProducerIdentity> {
    const before = this.transactionScope && (await this.#describe());
    const identity = await this.#ask(initProducerIdRequest(this.transactionalId, this.timeoutMs, this.#identity));
    this.#identity = identity;
    this.#clear();
    const committed = before && OUTCOME.get(before.state);
    // The id differs if all epochs of the old one are used up; only the old id could end its transaction.
    if (this.transactionScope && committed !== undefined && before?.producerId === identity.id)
      await this.#mend(this.transactionScope, committed);
    return identity;
  }

  /** The state of the last transaction, read before a new epoch makes the coordinator forget it. */
  async #describe(): Promise<TransactionState | undefined> {
    const { transactionalId } = this;
    try {
      return await this.client.askCoordinator(
        'transaction',
        transactionalId,
        describeTransactionRequest(transactionalId),
      );
    } catch (error) {
      const code = codeOf(error);
      // If a right is missing, the next request reports which one.
      if (code === CODE.transactionalIdNotFound || (code !== undefined && isDenied(code))) return undefined;
      throw asStreamsError(error, 'the transaction failed', `transactional id ${transactionalId}`);
    }
  }

  /**
   * Checks the sources and own partitions first, which is cheap; checks all partitions only if one of these
   * is open.
   */
  async #mend({ groupId, sources, own, topics }: TransactionScope, committed: boolean): Promise<void> {
    const offsets = new Map([[groupId, sources]]);
    if (isNothing(await this.#stillOpen({ partitions: own, offsets }))) return;
    const others = (await this.client.metadata(topics)).topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partition }) => ({ topic: name, partition })),
    );
    await this.#endAgain(await this.#stillOpen({ partitions: [...own, ...others], offsets }), committed);
  }

  #stillOpen(touched: Touched): Promise<Touched> {
    return stillOpen(this.client, this.#me.id, touched);
  }

  /** Runs another transaction over what the last one left open: its markers end both. */
  async #endAgain({ partitions, offsets }: Touched, committed: boolean): Promise<void> {
    await this.addPartitions(partitions);
    for (const [groupId, sources] of offsets) await this.#addGroup(groupId, sources);
    await this.end(committed);
  }

  /**
   * Adds the partitions to the transaction at the coordinator, before records are sent to them. Sends no
   * request if all are already added.
   */
  async addPartitions(partitions: readonly TopicPartition[]): Promise<void> {
    const unknown = partitions.filter(({ topic, partition }) => !this.#added.has(partitionKey(topic, partition)));
    if (unknown.length === 0) return;
    const request = addPartitionsRequest(this.#me, unknown);
    await this.#ask({
      ...request,
      read: (from) => {
        // If one partition fails, the coordinator returns "not attempted" for the valid ones.
        const results = request.read(from);
        const failed =
          results.find(({ error }) => error !== CODE.none && error !== NOT_ATTEMPTED) ??
          results.find(({ error }) => error !== CODE.none);
        if (failed) throwUnlessNone(failed.error, `${failed.topic}[${failed.partition}]`, failed.topic);
      },
    });
    for (const { topic, partition } of unknown) this.#added.set(partitionKey(topic, partition), { topic, partition });
  }

  async #addGroup(groupId: string, sources: readonly TopicPartition[]): Promise<void> {
    if (!this.#offsets.has(groupId)) await this.#ask(addOffsetsRequest(this.#me, groupId));
    this.#offsets.set(groupId, [...(this.#offsets.get(groupId) ?? []), ...sources]);
  }

  async addOffsets(membership: Membership, offsets: readonly PartitionOffset[]): Promise<void> {
    await checkOffsets(this.client, offsets);
    if (offsets.length === 0) return;
    const { groupId, memberId, generation } = membership;
    await this.#addGroup(groupId, offsets);
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
   * Commits or aborts, and waits until this is complete in every partition: 1 to 30 ms. The coordinator
   * responds as soon as it has decided. The same request again is answered with "concurrent transactions"
   * until all markers are written. Afterwards readers see the outcome, and the next transaction can begin at
   * once. No request is sent if the transaction is empty. If the coordinator moved meanwhile, it may have
   * lost markers: see {@link Touched}.
   */
  async end(commit: boolean): Promise<void> {
    if (this.#added.size === 0 && this.#offsets.size === 0) return;
    const request = endTransactionRequest(this.#me, commit);
    let moved = false;
    const onMoved = (): void => {
      moved = true;
    };
    await this.#ask(request, onMoved);
    await this.#ask(request, onMoved);
    const touched = { partitions: [...this.#added.values()], offsets: new Map(this.#offsets) };
    this.#clear();
    if (!moved) return;
    const left = await this.#stillOpen(touched);
    if (!isNothing(left)) await this.#endAgain(left, commit);
  }

  #clear(): void {
    this.#added.clear();
    this.#offsets.clear();
  }

  get #me(): ProducerIdentity & { readonly transactionalId: string } {
    const { id, epoch } = this.#identity ?? { id: -1, epoch: -1 };
    return { transactionalId: this.transactionalId, id, epoch };
  }

  #ask<R>(request: Request<R>, onMoved?: () => void): Promise<R> {
    const options = { retry: concurrent, ...(onMoved && { onMoved }) };
    return this.#translated(() => this.client.askCoordinator('transaction', this.transactionalId, request, options));
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
      expected: 'more than 0, and at most transaction.max.timeout.ms of the brokers, which is 15 minutes by default',
      action: 'Lower the option, or raise the limit of the brokers.',
      cause,
    });
  }

  /** Every later call fails with this error. */
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

/**
 * Whether the last transaction of a transactional id was committed, by the coordinator's state; other states
 * mean that it is unknown. The next epoch aborts an open transaction.
 */
const OUTCOME: ReadonlyMap<string, boolean> = new Map([
  ['PrepareCommit', true],
  ['CompleteCommit', true],
  ['Ongoing', false],
  ['PrepareEpochFence', false],
  ['PrepareAbort', false],
  ['CompleteAbort', false],
]);
const NOT_ATTEMPTED = 55;
const INVALID_TIMEOUT = 50;
