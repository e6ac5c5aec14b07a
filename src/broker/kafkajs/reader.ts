import { isStreamsError, messageOf, type StreamsError } from '../../model/errors.js';
import { type Clock, type Logger, silentLogger, sleep } from '../../model/ports.js';
import { takeFairly } from '../fair-shares.js';
import {
  type PartitionOffset,
  type PollOptions,
  partitionKey,
  type Reader,
  type RecordBatch,
  type TopicPartition,
} from '../port.js';
import { UnpackedBatches } from '../record-batch/unpacked.js';
import type { Client, Routes } from './client.js';
import { Cursor } from './cursor.js';
import {
  asStreamsError,
  brokerClosed,
  CODE,
  codeOf,
  isConnectionError,
  LEADER_MOVED,
  unknownPartition,
} from './errors.js';
import { TELL_AFTER_MS } from './leader-silence.js';
import { type FetchedPartition, fetchRequest } from './requests-records.js';
import { EARLIEST, LATEST, listOffsetsRequest } from './requests-topics.js';
import { topicError } from './rights.js';

/** Read ahead of the position, per partition, and by a reader in all. */
const AHEAD_BYTES = 1024 * 1024;
const TOTAL_AHEAD_BYTES = 64 * 1024 * 1024;
/** One answer of a broker: it reads partitions in turn up to this. */
const FETCH_BYTES = 16 * 1024 * 1024;
/** A broker holds a fetch that finds nothing for so long; a partition sought meanwhile waits for its end, so it is short. */
const FETCH_WAIT_MS = 200;
const RETRY_PAUSE_MS = 50;
/** Between two questions who leads a partition. */
const ROUTE_PAUSE_MS = 200;
/** How long an unknown topic is taken for a passing state. */
const UNKNOWN_MS = 1_000;

/**
 * Reads partitions of a Kafka cluster: one fetch under way per leader, ahead of what is polled.
 *
 * Batches may be without records, where only markers or aborted records were: they tell that the position has moved. Memory: 1 MiB a
 * partition and 64 MiB in all, and one answer (16 MiB) per leader. Errors: see {@link Reader.poll};
 * BROKER_UNAVAILABLE if the leader of a partition has not answered for a minute, whatever others do,
 * CONFIG_INVALID naming the package of a compression that is not installed, LOG_CORRUPT also for batches of
 * formats 0 and 1 (before Kafka 0.11),
 * which brokers from 4.0 on do not have any more.
 */
export class KafkaReader implements Reader {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #committedOnly: boolean;
  readonly #onClose: (reader: KafkaReader) => void;
  readonly #logger: Logger;
  readonly #unpacked: UnpackedBatches;
  readonly #cursors = new Map<string, Cursor>();
  readonly #waiting = new Set<() => void>();
  /** Nodes with a fetch under way. */
  readonly #busy = new Set<number>();
  #routing = false;
  /** Asked to read ahead while finding leaders. */
  #routeAgain = false;
  #turn = 0;
  #woken = false;
  #closed = false;

  /** The client, with its connections, belongs to the reader: its fetches wait at the broker. */
  constructor(
    client: Client,
    committedOnly: boolean,
    onClose: (reader: KafkaReader) => void,
    logger: Logger = silentLogger,
    unpacked = new UnpackedBatches(),
  ) {
    this.#unpacked = unpacked;
    this.#client = client;
    this.#clock = client.clock;
    this.#committedOnly = committedOnly;
    this.#onClose = onClose;
    this.#logger = logger;
  }

  seek(position: PartitionOffset): void {
    if (this.#closed) throw brokerClosed();
    const key = partitionKey(position.topic, position.partition);
    const cursor = new Cursor(position, this.#logger, this.#unpacked);
    const before = this.#cursors.get(key);
    if (before) {
      before.close();
      cursor.paused = before.paused;
    }
    this.#cursors.set(key, cursor);
    this.#notify();
  }

  remove(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      const key = partitionKey(topic, partition);
      this.#cursors.get(key)?.close();
      this.#cursors.delete(key);
    }
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#setPaused(partitions, true);
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#setPaused(partitions, false);
    this.#notify();
  }

  async poll(options: PollOptions): Promise<readonly RecordBatch[]> {
    if (this.#closed) throw brokerClosed();
    this.#woken = false;
    const deadline = this.#clock.monotonic() + options.maxWaitMs;
    for (;;) {
      const batches = this.#take(options);
      void this.#readAhead();
      if (batches.length > 0 || this.#woken || this.#closed) return batches;
      const remaining = deadline - this.#clock.monotonic();
      for (const cursor of this.#cursors.values()) cursor.silence.tell(this.#clock.monotonic());
      if (remaining <= 0) return batches;
      await this.#wait(Math.min(remaining, TELL_AFTER_MS));
    }
  }

  wakeup(): void {
    this.#woken = true;
    this.#notify();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const cursor of this.#cursors.values()) cursor.close();
    this.#cursors.clear();
    this.#notify();
    this.#onClose(this);
    await this.#client.connections.close();
  }

  #setPaused(partitions: readonly TopicPartition[], paused: boolean): void {
    for (const { topic, partition } of partitions) {
      const cursor = this.#cursors.get(partitionKey(topic, partition));
      if (cursor) cursor.paused = paused;
    }
  }

  /** What is ready, in fair shares. Throws before anything is taken, so that an error moves no position. */
  #take({ maxRecords, maxBytes }: PollOptions): RecordBatch[] {
    const active = [...this.#cursors.values()].filter((cursor) => !cursor.paused);
    throwFailure(active);
    const ready = active.filter((cursor) => cursor.prepare());
    const batches = takeFairly(ready, maxRecords, this.#turn++, maxBytes);
    if (batches.length > 0 || ready.length === 0) return batches;
    throwFailure(ready);
    // What others have unpacked, and do not take, must not hold this up.
    this.#unpacked.makeRoom();
    const more = takeFairly(ready, maxRecords, this.#turn, maxBytes);
    if (more.length === 0) throwFailure(ready);
    return more;
  }

  /** Sends a fetch to every leader that has none under way and partitions to read. Never rejects: failures wait in the cursors. */
  async #readAhead(): Promise<void> {
    this.#routeAgain = this.#routing;
    if (this.#routing || this.#closed) return;
    const limit = Math.min(AHEAD_BYTES, TOTAL_AHEAD_BYTES / Math.max(this.#cursors.size, 1));
    const wanting = [...this.#cursors.values()].filter(
      (cursor) => !cursor.paused && !cursor.fetching && cursor.failure === undefined && cursor.aheadBytes < limit,
    );
    if (wanting.length === 0) return;
    this.#routing = true;
    try {
      for (const cursor of wanting) cursor.silence.asked(this.#clock.monotonic(), undefined);
      const { leaders, failed } = await this.#client.route(wanting, { waits: false });
      if (!this.#closed && failed.length > 0) void this.#routeLater(failed);
      for (const [node, cursors] of leaders) {
        for (const cursor of cursors) cursor.silence.asked(this.#clock.monotonic(), node);
        if (this.#busy.has(node) || this.#closed) continue;
        this.#busy.add(node);
        for (const cursor of cursors) cursor.fetching = true;
        void this.#fetch(node, cursors).finally(() => {
          this.#busy.delete(node);
          for (const cursor of cursors) cursor.fetching = false;
          void this.#readAhead();
          this.#notify();
        });
      }
    } finally {
      this.#routing = false;
    }
    if (this.#routeAgain) await this.#readAhead();
  }

  /** Partitions that have no leader now, or are not known yet, are asked for again after a pause. */
  async #routeLater(failed: Routes<Cursor>['failed']): Promise<void> {
    const cursors = failed.flatMap(({ partition: cursor, error }) => {
      const unknown = isStreamsError(error) && error.code === 'TOPIC_UNKNOWN';
      if (unknown ? this.#mayAppear(cursor) : LEADER_MOVED.has(codeOf(error)) && !this.#isGivenUp(cursor))
        return cursor;
      this.#fail([cursor], error);
      return [];
    });
    for (const cursor of cursors) cursor.fetching = true;
    await sleep(this.#clock, ROUTE_PAUSE_MS);
    for (const cursor of cursors) cursor.fetching = false;
    void this.#readAhead();
  }

  async #fetch(node: number, cursors: readonly Cursor[]): Promise<void> {
    try {
      const fetched = await this.#client.connections.ask(
        node,
        fetchRequest({
          positions: cursors.map(({ topic, partition, fetchFrom }) => ({ topic, partition, offset: fetchFrom })),
          committedOnly: this.#committedOnly,
          maxWaitMs: FETCH_WAIT_MS,
          maxBytes: FETCH_BYTES,
          partitionMaxBytes: AHEAD_BYTES,
        }),
      );
      let again = false;
      for (const part of fetched) {
        const cursor = cursors.find(({ topic, partition }) => topic === part.topic && partition === part.partition);
        if (!cursor || cursor.closed) continue;
        try {
          again = (await this.#receive(node, cursor, part)) || again;
        } catch (error) {
          this.#fail([cursor], error);
        }
      }
      if (again) await sleep(this.#clock, RETRY_PAUSE_MS);
    } catch (error) {
      if (this.#closed) return;
      this.#client.forgetTopics(cursors.map(({ topic }) => topic));
      for (const cursor of cursors)
        if (!isConnectionError(error) || this.#isGivenUp(cursor))
          this.#fail([cursor], asStreamsError(error, 'cannot read', `${placeOf(cursor)}, broker ${node}`));
      await sleep(this.#clock, RETRY_PAUSE_MS);
    }
  }

  /** Takes in one partition's part of an answer. True if it is to be asked again after a pause. */
  async #receive(node: number, cursor: Cursor, part: FetchedPartition): Promise<boolean> {
    if (part.error === CODE.none) {
      cursor.unknownSince = undefined;
      cursor.silence.answered(this.#clock.monotonic());
      await cursor.receive(part, this.#committedOnly);
      return false;
    }
    if (part.error === CODE.offsetOutOfRange) throw await this.#outOfRange(node, cursor);
    this.#client.forgetTopics([cursor.topic]);
    if (part.error === CODE.unknownTopicOrPartition) {
      if (this.#mayAppear(cursor)) return true;
      throw unknownPartition(placeOf(cursor));
    }
    if (LEADER_MOVED.has(part.error) && !this.#isGivenUp(cursor)) return true;
    if (part.error === CODE.corruptMessage) throw cursor.refused();
    const refused = topicError('Fetch', part.error, cursor.topic);
    throw asStreamsError(refused, 'cannot read', placeOf(cursor));
  }

  /** Whether a topic that is unknown may be a new one, which not all brokers have heard of. */
  #mayAppear(cursor: Cursor): boolean {
    cursor.unknownSince ??= this.#clock.monotonic();
    return this.#clock.monotonic() - cursor.unknownSince < UNKNOWN_MS;
  }

  #isGivenUp(cursor: Cursor): boolean {
    return cursor.silence.isOver(this.#clock.monotonic());
  }

  async #outOfRange(node: number, cursor: Cursor): Promise<StreamsError> {
    const [earliest, latest] = await Promise.all(
      [EARLIEST, LATEST].map(async (time) => {
        const request = listOffsetsRequest([cursor], time, this.#committedOnly);
        return (await this.#client.connections.ask(node, request))[0]?.offset;
      }),
    );
    return cursor.outOfRange(`${earliest} to ${latest}`);
  }

  #fail(cursors: readonly Cursor[], error: unknown): void {
    for (const cursor of cursors)
      if (!cursor.closed) cursor.failure = asStreamsError(error, `cannot read: ${messageOf(error)}`, placeOf(cursor));
    this.#notify();
  }

  readonly #notify = (): void => {
    for (const done of [...this.#waiting]) done();
  };

  /** Until something is fetched, sought or woken, or that time is over. */
  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = Number.isFinite(ms) ? this.#clock.after(ms, () => done()) : undefined;
      const done = (): void => {
        cancel?.();
        this.#waiting.delete(done);
        resolve();
      };
      this.#waiting.add(done);
    });
  }
}

function throwFailure(cursors: readonly Cursor[]): void {
  for (const cursor of cursors) {
    const { failure } = cursor;
    cursor.failure = undefined;
    if (failure !== undefined) throw failure;
  }
}

const placeOf = ({ topic, partition }: TopicPartition): string => `${topic}[${partition}]`;
