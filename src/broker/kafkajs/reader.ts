import { messageOf, StreamsError } from '../../model/errors.js';
import { type Clock, sleep } from '../../model/ports.js';
import {
  type BrokerRecord,
  type PartitionOffset,
  partitionKey,
  type Reader,
  type RecordBatch,
  type TopicPartition,
} from '../port.js';
import type { Client } from './client.js';
import { Cursor } from './cursor.js';
import { asStreamsError, brokerClosed, CODE, isConnectionError, LEADER_MOVED, unknownPartition } from './errors.js';
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
/** How long an unknown topic or an unreachable broker is taken for a passing state. */
const UNKNOWN_MS = 1_000;
const UNREACHABLE_MS = 60_000;

/**
 * Reads partitions of a Kafka cluster: one fetch under way per leader, ahead of what is polled.
 *
 * Batches may be without records, where only markers or aborted records were: they tell that the position has moved. Memory: 1 MiB a
 * partition and 64 MiB in all, and one answer (16 MiB) per leader. Errors: see {@link Reader.poll}; BROKER_UNAVAILABLE if a leader cannot be reached for a
 * minute, CONFIG_INVALID naming the package of a compression that is not installed, LOG_CORRUPT also for batches of formats 0 and 1 (before Kafka 0.11),
 * which brokers from 4.0 on do not have any more.
 */
export class KafkaReader implements Reader {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #committedOnly: boolean;
  readonly #onClose: (reader: KafkaReader) => void;
  readonly #cursors = new Map<string, Cursor>();
  readonly #waiting = new Set<() => void>();
  /** Nodes with a fetch under way. */
  readonly #busy = new Set<number>();
  #routing = false;
  /** Asked to read ahead while finding leaders. */
  #routeAgain = false;
  #unreachableSince: number | undefined;
  #turn = 0;
  #woken = false;
  #closed = false;

  /** The client, with its connections, belongs to the reader: its fetches wait at the broker. */
  constructor(client: Client, committedOnly: boolean, onClose: (reader: KafkaReader) => void) {
    this.#client = client;
    this.#clock = client.clock;
    this.#committedOnly = committedOnly;
    this.#onClose = onClose;
  }

  seek(position: PartitionOffset): void {
    if (this.#closed) throw brokerClosed();
    const key = partitionKey(position.topic, position.partition);
    const cursor = new Cursor(position);
    const before = this.#cursors.get(key);
    if (before) {
      before.closed = true;
      cursor.paused = before.paused;
    }
    this.#cursors.set(key, cursor);
    this.#notify();
  }

  remove(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      const key = partitionKey(topic, partition);
      const cursor = this.#cursors.get(key);
      if (cursor) cursor.closed = true;
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

  async poll(options: { readonly maxRecords: number; readonly maxWaitMs: number }): Promise<readonly RecordBatch[]> {
    if (this.#closed) throw brokerClosed();
    this.#woken = false;
    const deadline = this.#clock.monotonic() + options.maxWaitMs;
    for (;;) {
      const batches = this.#take(options.maxRecords);
      void this.#readAhead();
      if (batches.length > 0 || this.#woken || this.#closed) return batches;
      const remaining = deadline - this.#clock.monotonic();
      if (remaining <= 0) return batches;
      await this.#wait(remaining);
    }
  }

  wakeup(): void {
    this.#woken = true;
    this.#notify();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const cursor of this.#cursors.values()) cursor.closed = true;
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
  #take(maxRecords: number): RecordBatch[] {
    const active = [...this.#cursors.values()].filter((cursor) => !cursor.paused);
    for (const cursor of active) {
      const { failure } = cursor;
      cursor.failure = undefined;
      if (failure !== undefined) throw failure;
    }
    const ready = active.filter((cursor) => cursor.prepare());
    // Another partition goes first each time: the first gets the odd record of an uneven share.
    const start = ready.length === 0 ? 0 : this.#turn++ % ready.length;
    const inTurn = [...ready.slice(start), ...ready.slice(0, start)];
    const taken = inTurn.map((): BrokerRecord[][] => []);
    let left = maxRecords;
    // Twice: what some partitions leave of their share goes to those that have more.
    for (let round = 0; round < 2; round++) {
      inTurn.forEach((cursor, i) => {
        let share = round === 1 ? left : Math.ceil(left / (inTurn.length - i));
        while (share > 0 && (cursor.hasDecoded || cursor.more())) {
          const records = cursor.take(share) as BrokerRecord[];
          taken[i]?.push(records);
          share -= records.length;
          left -= records.length;
        }
      });
    }
    return inTurn.flatMap((cursor, i) => {
      const parts = taken[i] as BrokerRecord[][];
      // Ready with records, but the poll was full: nothing has moved.
      if (parts.length === 0 && cursor.hasDecoded) return [];
      return {
        topic: cursor.topic,
        partition: cursor.partition,
        records: parts.length === 1 ? (parts[0] as BrokerRecord[]) : parts.flat(),
        nextOffset: cursor.position,
        latestOffset: Math.max(cursor.latest, cursor.position),
      };
    });
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
      const { leaders, failed } = await this.#client.route(wanting);
      for (const { partition, error } of failed) if (!this.#closed) this.#fail([partition], error);
      for (const [node, cursors] of leaders) {
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
      this.#unreachableSince = undefined;
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
      this.#unreachableSince ??= this.#clock.monotonic();
      const passing = isConnectionError(error) && this.#clock.monotonic() - this.#unreachableSince < UNREACHABLE_MS;
      if (!passing) this.#fail(cursors, asStreamsError(error, 'cannot read', `broker ${node}`));
      await sleep(this.#clock, RETRY_PAUSE_MS);
    }
  }

  /** Takes in one partition's part of an answer. True if it is to be asked again after a pause. */
  async #receive(node: number, cursor: Cursor, part: FetchedPartition): Promise<boolean> {
    if (part.error === CODE.none) {
      cursor.unknownSince = undefined;
      await cursor.receive(part, this.#committedOnly);
      return false;
    }
    if (part.error === CODE.offsetOutOfRange) throw await this.#outOfRange(node, cursor);
    this.#client.forgetTopics([cursor.topic]);
    if (part.error === CODE.unknownTopicOrPartition) {
      cursor.unknownSince ??= this.#clock.monotonic();
      if (this.#clock.monotonic() - cursor.unknownSince < UNKNOWN_MS) return true;
      throw unknownPartition(`${cursor.topic}[${cursor.partition}]`);
    }
    if (LEADER_MOVED.has(part.error)) return true;
    if (part.error === CODE.corruptMessage) throw cursor.refused();
    const refused = topicError('Fetch', part.error, cursor.topic);
    throw asStreamsError(refused, 'cannot read', `${cursor.topic}[${cursor.partition}]`);
  }

  async #outOfRange(node: number, cursor: Cursor): Promise<StreamsError> {
    const [earliest, latest] = await Promise.all(
      [EARLIEST, LATEST].map(async (time) => {
        const request = listOffsetsRequest([cursor], time, this.#committedOnly);
        return (await this.#client.connections.ask(node, request))[0]?.offset;
      }),
    );
    return new StreamsError('OFFSET_OUT_OF_RANGE', {
      what: 'cannot read',
      at: `${cursor.topic}[${cursor.partition}]@${cursor.fetchFrom}`,
      saw: `offset ${cursor.fetchFrom}`,
      expected: `${earliest} to ${latest}`,
      action:
        "The records were deleted before they were read. Seek to an offset that exists; for an application that is stopped, set the group's offset (kafka-consumer-groups.sh --reset-offsets), knowing that what was deleted is lost to it.",
    });
  }

  #fail(cursors: readonly Cursor[], error: unknown): void {
    for (const cursor of cursors)
      if (!cursor.closed) cursor.failure = asStreamsError(error, `cannot read: ${messageOf(error)}`, cursor.topic);
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
