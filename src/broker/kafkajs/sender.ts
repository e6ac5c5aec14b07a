import type { StreamsError } from '../../model/errors.js';
import { sleep } from '../../model/ports.js';
import { partitionKey } from '../port.js';
import type { Client } from './client.js';
import { asStreamsError, CODE, codeOf, FENCED, isConnectionError, LEADER_MOVED, ProtocolError } from './errors.js';
import { errorOf, type Failed, failureOf, refusalOf, SEQUENCE_LOST } from './not-acknowledged.js';
import type { PartitionQueue } from './partition-queue.js';
import {
  initProducerIdRequest,
  type ProducedPartition,
  type ProducerIdentity,
  produceRequest,
} from './requests-records.js';
import type { Transactions } from './transaction.js';
import type { WriteResults } from './write-results.js';

/**
 * How long a batch is sent again before it is given up: Kafka's own default for producers
 * (`delivery.timeout.ms`).
 */
const DELIVERY_MS = 120_000;
/**
 * A broker takes requests of 100 MiB (`socket.request.max.bytes`) and drops the connection of a larger one; a
 * batch that is larger than this goes alone.
 */
const REQUEST_BYTES = 16 * 1024 * 1024;
const RETRY_PAUSE_MS = 50;
const UNKNOWN_MS = 1_000;
/** Codes that are about records, and not about the batch, its partition or the producer. */
const OF_RECORDS: ReadonlySet<number> = new Set([
  CODE.messageTooLarge,
  CODE.invalidTimestamp,
  CODE.policyViolation,
  CODE.invalidRecord,
]);
const NO_ERRORS: ReadonlyMap<number, StreamsError> = new Map();

/**
 * Sends the batches of a writer's queues to their leaders: one request under way per leader, one batch per
 * partition in it. A batch is sent again until the leader answers; its place in the producer's sequence keeps
 * it from being written twice.
 */
export class Sender {
  unsentBytes = 0;
  /** The outcome of something is unknown: go on with a new producer id or epoch only. */
  needsRenewal = false;
  #identity: ProducerIdentity = { id: -1, epoch: -1 };
  readonly #busy = new Set<number>();
  readonly #waiting = new Set<{ readonly bytes: number; readonly resolve: () => void }>();
  #failed: Failed | undefined;
  #routing = false;
  #routeAgain = false;
  #closed = false;

  constructor(
    readonly client: Client,
    readonly queues: ReadonlyMap<string, PartitionQueue>,
    readonly transactions: Transactions | undefined,
    readonly results: WriteResults,
  ) {}

  async renewIfNeeded(): Promise<void> {
    if (this.needsRenewal) await this.renew();
  }

  /** A new producer id; with a transactional id, its next epoch. */
  async renew(): Promise<void> {
    this.#identity = await (this.transactions?.init() ?? this.#newProducerId());
    for (const queue of this.queues.values()) queue.restart();
    this.needsRenewal = false;
  }

  #newProducerId(): Promise<ProducerIdentity> {
    const retry = (error: unknown): boolean =>
      isConnectionError(error) ||
      codeOf(error) === CODE.coordinatorLoadInProgress ||
      codeOf(error) === CODE.coordinatorNotAvailable;
    const what = 'cannot get a producer id';
    return this.client
      .retrying({ what, at: 'the cluster', retry }, () =>
        this.client.connections.askAny(initProducerIdRequest(null, DELIVERY_MS, undefined)),
      )
      .catch((error: unknown) => {
        throw asStreamsError(error, what, 'the cluster');
      });
  }

  /** Begins to send what the queues have; that many bytes have been added to them. */
  send(addedBytes: number): void {
    this.unsentBytes += addedBytes;
    void this.#pump();
  }

  /** Resolves when at most that many bytes are not acknowledged. */
  below(bytes: number): Promise<void> {
    if (this.unsentBytes <= bytes) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.add({ bytes, resolve }));
  }

  /**
   * Why not everything was taken since the last clearing; undefined if it was. PRODUCE_FAILED if the broker
   * refused records, BROKER_UNAVAILABLE if it is not known whether it has them (no answer for too long, or a
   * lost place in the sequence), or why the broker takes nothing of this user.
   */
  failure(): StreamsError | undefined {
    if (!this.#failed) return undefined;
    return failureOf(this.#failed);
  }

  clearFailure(): void {
    this.#failed = undefined;
  }

  /** Throws away what is not under way. */
  drop(): void {
    let kept = 0;
    for (const queue of this.queues.values()) {
      const [current] = queue.batches;
      if (queue.clear()) this.needsRenewal = true;
      if (queue.sending && current) {
        queue.batches.push(current);
        kept += current.bytes.length;
      }
    }
    this.unsentBytes = kept;
    this.#settle();
  }

  close(): void {
    this.#closed = true;
    this.drop();
  }

  async #pump(): Promise<void> {
    this.#routeAgain = this.#routing;
    if (this.#routing || this.#closed) return;
    const ready = [...this.queues.values()].filter((queue) => !queue.sending && queue.batches.length > 0);
    if (ready.length === 0) return;
    // Batches under way still belong to the old producer id.
    if (this.needsRenewal && this.#busy.size > 0) return;
    this.#routing = true;
    try {
      const { leaders, failed } = await this.client.route(ready);
      for (const { partition, error } of failed) this.#fail(partition, error);
      const routed = [...leaders.values()].flat();
      try {
        if (routed.length > 0) {
          if (!this.transactions) await this.renewIfNeeded();
          await this.transactions?.addPartitions(routed);
        }
        for (const [node, queues] of leaders) void this.#sendTo(node, queues);
      } catch (error) {
        for (const queue of routed) this.#fail(queue, error);
      }
    } finally {
      this.#routing = false;
    }
    if (this.#routeAgain) await this.#pump();
  }

  async #sendTo(node: number, candidates: readonly PartitionQueue[]): Promise<void> {
    let room = REQUEST_BYTES;
    const queues: PartitionQueue[] = [];
    for (const queue of candidates) {
      const [batch] = queue.batches;
      if (queue.sending || !batch || (queues.length > 0 && batch.bytes.length > room)) continue;
      queues.push(queue);
      room -= batch.bytes.length;
    }
    if (this.#busy.has(node) || queues.length === 0 || this.#closed) return;
    this.#busy.add(node);
    const now = this.client.clock.monotonic();
    for (const queue of queues) queue.sending = true;
    let pause = false;
    try {
      const batches = queues.map((queue) => {
        const batch = queue.stamp(this.#identity, this.transactions !== undefined);
        batch.sentAt ??= now;
        return { topic: queue.topic, partition: queue.partition, bytes: batch.bytes };
      });
      const request = produceRequest(batches, this.transactions?.transactionalId ?? null);
      const results = new Map(
        (await this.client.once(() => this.client.connections.ask(node, request))).map((result) => [
          partitionKey(result.topic, result.partition),
          result,
        ]),
      );
      for (const queue of queues) {
        const result = results.get(partitionKey(queue.topic, queue.partition));
        if (this.#handle(queue, result)) pause = true;
      }
    } catch (error) {
      pause = true;
      for (const queue of queues) this.#again(queue, error);
    }
    if (pause) {
      this.client.forgetTopics(queues.map(({ topic }) => topic));
      await sleep(this.client.clock, RETRY_PAUSE_MS);
    }
    for (const queue of queues) queue.sending = false;
    this.#busy.delete(node);
    this.#settle();
    void this.#pump();
  }

  /** What the leader answers for a partition. True if the batch is to be sent again after a pause. */
  #handle(queue: PartitionQueue, result: ProducedPartition | undefined): boolean {
    const error = result?.error ?? CODE.networkException;
    if (error === CODE.none || error === CODE.duplicateSequenceNumber) {
      const offset = result?.baseOffset ?? -1;
      const batch = queue.taken(offset);
      this.unsentBytes -= batch.bytes.length;
      this.results.taken(queue, batch, offset);
      return false;
    }
    if (LEADER_MOVED.has(error) || error === CODE.unknownTopicOrPartition) {
      this.#again(queue, new ProtocolError(error), error === CODE.unknownTopicOrPartition ? UNKNOWN_MS : DELIVERY_MS);
      return true;
    }
    const bytes = queue.batches[0]?.bytes.length ?? 0;
    if (this.#divide(queue, error, result)) return false;
    if (SEQUENCE_LOST.has(error)) this.needsRenewal = true;
    const failure = refusalOf(queue, { error, bytes, result }, this.transactions?.transactionalId);
    const own = new Map(result?.refused.map((one) => [one.index, errorOf(queue, error, one)]));
    this.#fail(queue, FENCED.has(error) && this.transactions ? this.transactions.fence(failure) : failure, 1, own);
    return false;
  }

  /**
   * Sends the records of a refused batch again without those that the broker does not take, as far as that
   * can be. False if the batch as a whole has failed.
   */
  #divide(queue: PartitionQueue, code: number, result: ProducedPartition | undefined): boolean {
    const [batch] = queue.batches;
    if (!batch || !OF_RECORDS.has(code)) return false;
    const places = (result?.refused ?? []).map(({ index }) => index).sort((a, b) => a - b);
    const counted = queue.batches.length;
    if (places.length === 0 && batch.count > 1) {
      // Nobody says which: halves are sent until it stands alone. Of a batch that is not too large that is
      // done only for those who want to know.
      if (code !== CODE.messageTooLarge && !batch.origins?.some((origin) => this.results.mayLeaveOut(origin)))
        return false;
      queue.split();
    } else {
      const refused = places.length === 0 ? [0] : places;
      if (!refused.every((place) => this.results.mayLeaveOut(batch.origins?.[place]))) return false;
      for (const place of refused) {
        const message = result?.refused.find(({ index }) => index === place)?.message ?? result?.message ?? null;
        const error = errorOf(queue, code, { index: place, message }, batch.bytes.length);
        this.results.leftOut(queue, batch.origins?.[place], error);
        this.results.refused(queue, { from: batch.from + place, count: 1 }, error, NO_ERRORS);
      }
      queue.leaveOut(refused);
    }
    const parts = queue.batches.slice(0, queue.batches.length - counted + 1);
    this.unsentBytes += parts.reduce((sum, { bytes }) => sum + bytes.length, 0) - batch.bytes.length;
    return true;
  }

  /** Leaves the batch where it is, to be sent again; gives it up after that time. */
  #again(queue: PartitionQueue, error: unknown, patienceMs = DELIVERY_MS): void {
    const passing = !(error instanceof ProtocolError) ? isConnectionError(error) : true;
    const since = queue.batches[0]?.sentAt ?? 0;
    const early = this.client.clock.monotonic() - since < patienceMs;
    if (passing && early && this.client.mayRetry(error, since)) return;
    // It may be in the log all the same: nothing may follow it in this sequence.
    this.needsRenewal = true;
    this.#fail(queue, error);
  }

  /**
   * Gives up the first batch of a queue, or all of them: those of a partition that does not exist, or after
   * one whose fate is unknown.
   */
  #fail(queue: PartitionQueue, cause: unknown, batches = queue.batches.length, own = NO_ERRORS): void {
    const where = whereOf(queue);
    for (let i = 0; i < batches; i++) {
      const batch = queue.refused();
      this.unsentBytes -= batch.bytes.length;
      if (this.#failed) this.#failed.records += batch.count;
      else this.#failed = { where, cause, records: batch.count };
      this.results.refused(queue, batch, failureOf({ where, cause, records: batch.count }), own);
    }
    // Batches behind a refused one keep their place: it has used up none.
    this.#settle();
  }

  #settle(): void {
    for (const waiting of [...this.#waiting]) {
      if (this.unsentBytes > waiting.bytes) continue;
      this.#waiting.delete(waiting);
      waiting.resolve();
    }
  }
}

const whereOf = ({ topic, partition }: PartitionQueue): string => `${topic}[${partition}]`;
