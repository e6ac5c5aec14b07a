import { isStreamsError, messageOf, type StreamsError } from '../../../model/errors.js';
import { type Clock, sleep } from '../../../model/ports.js';
import type { TopicPartition } from '../../port.js';
import type { Client, Routes } from '../connection/client.js';
import { asStreamsError, CODE, codeOf, isConnectionError, LEADER_MOVED, unknownPartition } from '../wire/errors.js';
import { type FetchedPartition, fetchRequest } from '../wire/requests-records.js';
import { EARLIEST, LATEST, listOffsetsRequest } from '../wire/requests-topics.js';
import { topicError } from '../wire/rights.js';
import type { Cursor } from './cursor.js';

/** Read ahead of the position, per partition and in total. */
const AHEAD_BYTES = 1024 * 1024;
const TOTAL_AHEAD_BYTES = 64 * 1024 * 1024;
/** Maximum size of one response: the broker fills it partition by partition. */
const FETCH_BYTES = 16 * 1024 * 1024;
/**
 * How long a broker holds a fetch that finds nothing. It is short, because a partition that starts waiting
 * joins only with the next fetch.
 */
const FETCH_WAIT_MS = 200;
const RETRY_PAUSE_MS = 50;
/** Pause between two lookups of a partition's leader. */
const ROUTE_PAUSE_MS = 200;
/** How long an unknown topic counts as a transient state. */
const UNKNOWN_MS = 1_000;

/** The fetches that are running on a leader. */
interface Lanes {
  held: boolean;
  atOnce: boolean;
}

/**
 * Fetches for all readers of a broker, over one connection to each leader, and a second one that never waits.
 *
 * Partitions that are read to their end wait at their leader together: in one fetch, which the leader holds
 * until records arrive. A partition that has more records, or was just sought, does not wait for that fetch:
 * it is fetched at once, in parallel.
 *
 * Memory: 1 MiB per partition, 64 MiB in total, one response (16 MiB) per leader, and at least one batch per
 * partition. The bytes of one partition do not keep those of the others in memory.
 */
export class Fetcher {
  readonly clock: Clock;
  readonly #client: Client;
  readonly #committedOnly: boolean;
  /** Each cursor with the function that notifies its reader. Cursors that were served last come last. */
  readonly #cursors = new Map<Cursor, () => void>();
  readonly #lanes = new Map<number, Lanes>();
  #routing = false;
  /** A call came while leaders were being looked up. */
  #routeAgain = false;
  #closed = false;

  /** The fetcher owns the client and its connections: its fetches wait at the broker. */
  constructor(client: Client, committedOnly: boolean) {
    this.#client = client;
    this.clock = client.clock;
    this.#committedOnly = committedOnly;
  }

  add(cursor: Cursor, notify: () => void): void {
    this.#cursors.set(cursor, notify);
  }

  remove(cursor: Cursor): void {
    cursor.close();
    this.#cursors.delete(cursor);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const cursor of this.#cursors.keys()) cursor.close();
    this.#cursors.clear();
    await this.#client.connections.close();
  }

  /**
   * Starts fetches for these cursors, and for all others that need one. Never rejects: errors are kept in the
   * cursors.
   */
  async readAhead(own: Iterable<Cursor>): Promise<void> {
    for (const cursor of own) if (isFree(cursor)) return this.#readAhead();
  }

  async #readAhead(): Promise<void> {
    this.#routeAgain = this.#routing;
    if (this.#routing || this.#closed) return;
    const room = this.#room();
    const limit = this.#limit;
    const wanting = [...this.#cursors.keys()].filter(
      (cursor) => isFree(cursor) && (cursor.aheadBytes === 0 || (cursor.aheadBytes < limit && room > 0)),
    );
    if (wanting.length === 0) return;
    this.#routing = true;
    try {
      const began = this.clock.monotonic();
      const { leaders, failed } = await this.#client.route(wanting, { waits: false });
      for (const { partition } of failed) partition.silence.asked(began, undefined);
      if (!this.#closed && failed.length > 0) void this.#routeLater(failed);
      for (const [node, cursors] of leaders) this.#fetchOn(node, cursors, began);
    } finally {
      this.#routing = false;
    }
    if (this.#routeAgain) await this.#readAhead();
  }

  /** Bytes to read ahead of one partition. */
  get #limit(): number {
    return Math.min(AHEAD_BYTES, Math.floor(TOTAL_AHEAD_BYTES / Math.max(this.#cursors.size, 1)));
  }

  /** Bytes that may still be read ahead. */
  #room(): number {
    let ahead = 0;
    for (const cursor of this.#cursors.keys()) ahead += cursor.aheadBytes;
    return TOTAL_AHEAD_BYTES - ahead;
  }

  /**
   * `began`: since when these cursors have been ready to fetch. A cursor that waits for a running fetch does
   * not count as unanswered.
   */
  #fetchOn(node: number, wanting: readonly Cursor[], began: number): void {
    const lanes = this.#lanes.get(node) ?? { held: false, atOnce: false };
    this.#lanes.set(node, lanes);
    const lane = lanes.held ? 'atOnce' : 'held';
    const cursors = onceEach(lanes.held ? wanting.filter(({ isAtEnd }) => !isAtEnd) : wanting);
    if (this.#closed || lanes[lane] || cursors.length === 0) return;
    lanes[lane] = true;
    for (const cursor of cursors) cursor.asked(began, node);
    void this.#fetch(node, cursors, lane === 'atOnce').finally(() => {
      lanes[lane] = false;
      for (const cursor of cursors) cursor.fetching = false;
      void this.#readAhead();
    });
  }

  /** Partitions that have no leader, or are not known yet, are looked up again after a pause. */
  async #routeLater(failed: Routes<Cursor>['failed']): Promise<void> {
    const cursors = failed.flatMap(({ partition: cursor, error }) => {
      const unknown = isStreamsError(error) && error.code === 'TOPIC_UNKNOWN';
      if (unknown ? this.#mayAppear(cursor) : LEADER_MOVED.has(codeOf(error)) && !this.#isGivenUp(cursor))
        return cursor;
      this.#fail([cursor], error);
      return [];
    });
    for (const cursor of cursors) cursor.fetching = true;
    await sleep(this.clock, ROUTE_PAUSE_MS);
    for (const cursor of cursors) cursor.fetching = false;
    void this.#readAhead();
  }

  async #fetch(node: number, cursors: readonly Cursor[], atOnce: boolean): Promise<void> {
    try {
      const fetched = await this.#client.connections.ask(
        node,
        fetchRequest({
          positions: cursors.map(({ topic, partition, fetchFrom }) => ({ topic, partition, offset: fetchFrom })),
          committedOnly: this.#committedOnly,
          maxWaitMs: atOnce ? 0 : FETCH_WAIT_MS,
          maxBytes: Math.min(FETCH_BYTES, Math.max(AHEAD_BYTES, this.#room())),
          // The first partition of a response that has records always gets one whole batch.
          partitionMaxBytes: this.#limit,
        }),
      );
      const asked = byPartition(cursors);
      const from = new Map(cursors.map((cursor) => [cursor, cursor.fetchFrom]));
      const bytes = fetched.reduce((sum, { records }) => sum + records.length, 0);
      let again = false;
      for (const part of fetched) {
        const cursor = asked.get(part.topic)?.get(part.partition);
        if (!cursor || cursor.closed) continue;
        try {
          again = (await this.#receive(node, cursor, part, bytes)) || again;
        } catch (error) {
          this.#fail([cursor], error);
        }
      }
      const served = cursors.filter((cursor) => cursor.fetchFrom > (from.get(cursor) ?? 0));
      this.#inTurn(cursors, served);
      this.#notify(served);
      if (again) await sleep(this.clock, RETRY_PAUSE_MS);
    } catch (error) {
      if (this.#closed) return;
      this.#client.forgetTopics(cursors.map(({ topic }) => topic));
      for (const cursor of cursors)
        if (!isConnectionError(error) || this.#isGivenUp(cursor))
          this.#fail([cursor], asStreamsError(error, 'cannot read', `${placeOf(cursor)}, broker ${node}`));
      await sleep(this.clock, RETRY_PAUSE_MS);
    }
  }

  /**
   * Adds one partition's part of a response of that many bytes. Returns true if the partition is to be
   * fetched again after a pause.
   */
  async #receive(node: number, cursor: Cursor, part: FetchedPartition, bytes: number): Promise<boolean> {
    if (part.error === CODE.none) {
      cursor.unknownSince = undefined;
      cursor.silence.answered(this.clock.monotonic());
      const { records } = part;
      // A record that is kept in memory would keep the whole response in memory.
      const own = 2 * records.length < bytes ? Buffer.from(records) : records;
      await cursor.receive({ ...part, records: own }, this.#committedOnly);
      // A partition without records may have been left out because others filled the response.
      cursor.isAtEnd = records.length === 0 && (bytes === 0 || cursor.fetchFrom >= cursor.latest);
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

  /**
   * A broker fills its response in the order of the request. Partitions that were not in this request come
   * first next time, and those that got records come last.
   */
  #inTurn(asked: readonly Cursor[], served: readonly Cursor[]): void {
    for (const cursor of [...asked, ...served]) {
      const notify = this.#cursors.get(cursor);
      if (!notify) continue;
      this.#cursors.delete(cursor);
      this.#cursors.set(cursor, notify);
    }
  }

  /** Whether an unknown topic may be a new one that not all brokers have learned of. */
  #mayAppear(cursor: Cursor): boolean {
    cursor.unknownSince ??= this.clock.monotonic();
    return this.clock.monotonic() - cursor.unknownSince < UNKNOWN_MS;
  }

  #isGivenUp(cursor: Cursor): boolean {
    return cursor.silence.isOver(this.clock.monotonic());
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
    this.#notify(cursors);
  }

  /** Notifies each reader once. */
  #notify(cursors: readonly Cursor[]): void {
    const all = new Set<() => void>();
    for (const cursor of cursors) {
      const notify = this.#cursors.get(cursor);
      if (notify) all.add(notify);
    }
    for (const notify of all) notify();
  }
}

/** Whether this cursor may be fetched now. */
const isFree = ({ paused, fetching, failure }: Cursor): boolean => !paused && !fetching && failure === undefined;

/** A request names a partition once, although two readers may read it: the other cursor comes next time. */
function onceEach(cursors: readonly Cursor[]): readonly Cursor[] {
  const seen = byPartition(cursors);
  return cursors.filter((cursor) => seen.get(cursor.topic)?.get(cursor.partition) === cursor);
}

/** If two cursors have the same partition, the first one counts. */
function byPartition(cursors: readonly Cursor[]): ReadonlyMap<string, ReadonlyMap<number, Cursor>> {
  const topics = new Map<string, Map<number, Cursor>>();
  for (const cursor of cursors) {
    const partitions = topics.get(cursor.topic) ?? new Map<number, Cursor>();
    if (!partitions.has(cursor.partition)) partitions.set(cursor.partition, cursor);
    topics.set(cursor.topic, partitions);
  }
  return topics;
}

const placeOf = ({ topic, partition }: TopicPartition): string => `${topic}[${partition}]`;
