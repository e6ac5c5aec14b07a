import { type Broker, type BrokerRecord, partitionKey, type Reader } from '../../broker/port.js';
import type { Logger } from '../../model/ports.js';
import { stopped } from '../../runtime/config/stopped.js';
import { systemClock } from '../../runtime/config/system.js';
import { KnownEnds } from '../../runtime/poll/known-ends.js';
import type { Dates, Lane } from '../../runtime/poll/lane.js';
import { Merge } from '../../runtime/poll/merge.js';
import { LaterRecords } from './past-places.js';
import type { Slice } from './slice.js';

/** Records that are fetched ahead, over all partitions; each partition gets at least a poll's share. */
const READ_AHEAD_RECORDS = 20_000;
const MIN_READ_AHEAD_RECORDS = 500;
/** The same limit in bytes. */
const READ_AHEAD_BYTES = 64 * 1024 * 1024;
const WAIT_MS = 500;

export interface MergedReaderOptions {
  /** Event times of a topic's records; undefined: the timestamps of the log. */
  readonly datesOf: (topic: string) => Dates | undefined;
  /** Used for a warning if a log has lost its end since the slice was cut. */
  readonly logger: Logger;
  /** Ends the reading with STOPPED. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The records of a slice in the order of {@link Merge}, which is the order of a running application.
 *
 * It streams: memory holds the records that are read ahead, 20,000 in all (at least 500 per partition) and 64
 * MiB, plus one poll. This does not depend on the length of the slice.
 */
export class MergedReader {
  readonly #reader: Reader;
  readonly #merge: Merge;
  readonly #ends: KnownEnds;
  readonly #limit: number;
  readonly #limitBytes: number;
  readonly #signal: AbortSignal | undefined;
  readonly #endsWith: readonly Lane[] | undefined;
  /** For internal inputs, if they begin where the sources do. */
  readonly #later = new Map<Lane, LaterRecords>();
  /** Records of the whole slice, by offsets: holes count as records. */
  readonly total: number;

  private constructor(
    reader: Reader,
    { parts, endsWith, inputsFollow }: Slice,
    options: MergedReaderOptions & { readonly ends: KnownEnds },
  ) {
    const { datesOf, ends, signal } = options;
    this.#reader = reader;
    this.#signal = signal;
    this.#ends = ends;
    this.#merge = new Merge(
      parts.map(({ topic, partition, from, to }) => ({ topic, partition, offset: from, end: to })),
      { datesOf },
    );
    const named = new Set(endsWith);
    this.#endsWith =
      endsWith && this.#merge.lanes.filter(({ topic, partition }) => named.has(partitionKey(topic, partition)));
    if (inputsFollow) {
      const sources = this.#merge.lanes.filter(({ isPlaced }) => !isPlaced);
      const from = new Map(
        sources.map(({ topic, partition, position }) => [partitionKey(topic, partition), position] as const),
      );
      for (const lane of this.#merge.lanes) if (lane.isPlaced) this.#later.set(lane, new LaterRecords(from));
    }
    this.#limit = Math.max(MIN_READ_AHEAD_RECORDS, Math.floor(READ_AHEAD_RECORDS / Math.max(1, parts.length)));
    this.#limitBytes = READ_AHEAD_BYTES / Math.max(1, parts.length);
    this.total = parts.reduce((sum, { from, to }) => sum + to - from, 0);
    for (const { topic, partition, from, to } of parts) if (from < to) reader.seek({ topic, partition, offset: from });
  }

  static async open(broker: Broker, slice: Slice, options: MergedReaderOptions): Promise<MergedReader> {
    const ends = new KnownEnds({ admin: broker.admin, clock: systemClock, logger: options.logger });
    return new MergedReader(await broker.createReader(), slice, { ...options, ends });
  }

  /** Next offset of every partition: everything before it has been returned. */
  get positions(): Merge['positions'] {
    return this.#merge.positions;
  }

  /** Whether records before these positions were left out: a longer slice has them. */
  get hasLeftOut(): boolean {
    return this.#merge.hasLeftOut;
  }

  /** Partitions that had no more records at the last look; their logs may have grown since. */
  get exhausted(): readonly string[] {
    const done = this.#merge.lanes.filter(({ isRead, size }) => isRead && size === 0);
    return done.map(({ topic, partition }) => partitionKey(topic, partition));
  }

  /**
   * The next records, at most `max`; an empty array at the end of the slice. Errors: STOPPED if the signal
   * was aborted.
   */
  async next(max: number): Promise<readonly BrokerRecord[]> {
    await this.#fill();
    if (this.#endsWith === undefined) return this.#merge.take(max);
    return this.#atEnd() ? [] : this.#merge.take(max, this.#atEnd);
  }

  async close(): Promise<void> {
    await this.#reader.close();
  }

  /** A slice that names ending partitions ends as soon as they do. */
  readonly #atEnd = (): boolean => this.#endsWith?.every(({ position, end }) => position >= end) ?? false;

  /** Polls until the next record in merged order is known. */
  async #fill(): Promise<void> {
    while (!this.#signal?.aborted && !this.#merge.isReady) {
      this.#resume();
      await this.#poll();
      await this.#merge.dated();
      this.#ends.askFor(
        () => this.#merge.lanes.filter(({ isReady }) => !isReady),
        () => this.#reader.wakeup(),
      );
    }
    this.#ends.rest();
    if (this.#signal?.aborted) throw stopped('the replay was stopped', 'reading the source topics');
  }

  #resume(): void {
    for (const lane of this.#merge.lanes) {
      if (!lane.paused || lane.size > this.#limit / 2 || lane.bytes > this.#limitBytes / 2) continue;
      lane.paused = false;
      this.#reader.resume([lane]);
    }
  }

  async #poll(): Promise<void> {
    const maxRecords = Math.max(2_000, this.#merge.lanes.length);
    for (const batch of await this.#reader.poll({ maxRecords, maxWaitMs: WAIT_MS })) {
      const lane = this.#merge.lane(batch.topic, batch.partition);
      if (!lane || lane.isRead) continue;
      const { end } = lane;
      const last = batch.records.at(-1);
      const inside =
        last !== undefined && last.offset >= end ? batch.records.filter(({ offset }) => offset < end) : batch.records;
      this.#merge.receive(lane, this.#later.get(lane)?.of(inside) ?? inside, Math.min(batch.nextOffset, end));
      if (lane.isRead) this.#reader.remove([lane]);
      else if (!lane.paused && (lane.size > this.#limit || lane.bytes > this.#limitBytes)) {
        lane.paused = true;
        this.#reader.pause([lane]);
      }
    }
  }
}
