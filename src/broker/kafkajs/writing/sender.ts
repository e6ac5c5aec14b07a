import type { StreamsError } from '../../../model/errors.js';
import { sleep } from '../../../model/ports.js';
import { partitionKey } from '../../port.js';
import type { Client } from '../connection/client.js';
import {
  asStreamsError,
  CODE,
  codeOf,
  FENCED,
  isConnectionError,
  LEADER_MOVED,
  ProtocolError,
} from '../wire/errors.js';
import {
  initProducerIdRequest,
  type ProducedPartition,
  type ProducerIdentity,
  produceRequest,
} from '../wire/requests-records.js';
import { errorOf, type Failed, failureOf, OF_RECORDS, refusalOf, SEQUENCE_LOST } from './not-acknowledged.js';
import type { PartitionQueue } from './partition-queue.js';
import type { Transactions } from './transaction.js';
import type { WriteResults } from './write-results.js';

/** How long a batch is retried before it fails: Kafka's own default for producers (`delivery.timeout.ms`). */
const DELIVERY_MS = 120_000;
/**
 * A broker accepts requests of up to 100 MiB (`socket.request.max.bytes`) and closes the connection on a
 * larger one. A batch that is larger than this limit is sent alone.
 */
const REQUEST_BYTES = 16 * 1024 * 1024;
const RETRY_PAUSE_MS = 50;
const UNKNOWN_MS = 1_000;
const NO_ERRORS: ReadonlyMap<number, StreamsError> = new Map();

/**
 * Sends the batches of a writer's queues to their leaders: one running request per leader, with one batch per
 * partition. A batch is sent again until the leader responds; its sequence number keeps it from being written
 * twice.
 */
export class Sender {
  unsentBytes = 0;
  /** An outcome is unknown: continue with a new producer id or epoch only. */
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

  /** Gets a new producer id; with a transactional id, its next epoch. */
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

  /** Starts sending what is in the queues; that many bytes have been added to them. */
  send(addedBytes: number): void {
    this.unsentBytes += addedBytes;
    void this.#pump();
  }

  /** Resolves when at most that many bytes are unacknowledged. */
  below(bytes: number): Promise<void> {
    if (this.unsentBytes <= bytes) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.add({ bytes, resolve }));
  }

  /**
   * Why not all records were written since the last clearing; undefined if all were. PRODUCE_FAILED if the
   * broker refused records. BROKER_UNAVAILABLE if the outcome is unknown: no response for too long, or a lost
   * sequence. A refusal of this principal is returned as it is.
   */
  failure(): StreamsError | undefined {
    if (!this.#failed) return undefined;
    return failureOf(this.#failed);
  }

  clearFailure(): void {
    this.#failed = undefined;
  }

  /** Discards everything that is not being sent. */
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
    // Batches that are being sent still belong to the old producer id.
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

  /** Handles the leader's result for a partition. True if the batch must be sent again after a pause. */
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
   * Where possible, sends the records of a refused batch again, without those that the broker refuses. False
   * if the batch as a whole has failed.
   */
  #divide(queue: PartitionQueue, code: number, result: ProducedPartition | undefined): boolean {
    const [batch] = queue.batches;
    if (!batch || !OF_RECORDS.has(code)) return false;
    const places = (result?.refused ?? []).map(({ index }) => index).sort((a, b) => a - b);
    const counted = queue.batches.length;
    if (places.length === 0 && batch.count > 1) {
      // The broker does not name the record: halves are sent until it is alone. For a batch that is not too
      // large, this happens only if one of its records has an origin.
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

  /** Keeps the batch in the queue, to be sent again; fails it after that time. */
  #again(queue: PartitionQueue, error: unknown, patienceMs = DELIVERY_MS): void {
    const passing = !(error instanceof ProtocolError) ? isConnectionError(error) : true;
    const since = queue.batches[0]?.sentAt ?? 0;
    const early = this.client.clock.monotonic() - since < patienceMs;
    if (passing && early && this.client.mayRetry(error, since)) return;
    // The batch may be in the log nevertheless: nothing may follow it in this sequence.
    this.needsRenewal = true;
    this.#fail(queue, error);
  }

  /**
   * Fails the first batch of a queue, or all of them. All fail if the partition does not exist, or if the
   * outcome of one is unknown.
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
    // Batches after a refused one keep their sequence numbers: the refused batch has used none.
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
