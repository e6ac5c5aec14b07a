import { type BrokerRecord, type PartitionOffset, partitionKey, type Reader } from '../../broker/port.js';
import type { CatchUpGate } from '../align/catch-up-gate.js';
import { InputBuffer, RECORD_BYTES } from './input-buffer.js';
import type { KnownEnds } from './known-ends.js';
import type { Dates, Lane } from './lane.js';
import { Merge } from './merge.js';

/** Limits how far a partition is read ahead while it waits for others that are behind it in time. */
const AHEAD_BATCHES = 4;
/** Default memory of an application, for all of its tasks. */
const BUFFER_BYTES = 64 * 1024 * 1024;

export interface IntakeOptions {
  /**
   * Returns the event times of a topic's records. Without it, or if it returns undefined: the log's
   * timestamps.
   */
  readonly datesOf?: (topic: string) => Dates | undefined;
  /** Looks up where silent partitions end. Without it, an end that was seen once is taken as current. */
  readonly ends?: KnownEnds;
  /**
   * A partition with more buffered records than this is paused until they are used up. Default: four times
   * the `max` of {@link take}.
   */
  readonly aheadRecords?: number;
  /**
   * Memory shared with other intakes; a partition that has used its share is paused, too. Default: a buffer
   * of its own.
   */
  readonly buffer?: InputBuffer;
  /** Whether calls of {@link Intake.take} have time bounds; {@link Intake.next} is then available. */
  readonly bounded?: boolean;
  /** The topics in which timers note their firings. */
  readonly timers?: ReadonlySet<string>;
  /**
   * While it is true, only internal inputs are read: as many calls are pending as may be. Default: never.
   */
  readonly isFull?: () => boolean;
  /** Holds new records back for a while. Without it, all records are read. */
  readonly gate?: CatchUpGate | undefined;
}

/**
 * Takes the records of partitions in the order of {@link Merge}. It owns its reader; there is one intake for
 * each task, and one for all global tables.
 *
 * The rule is the same as in Kafka Streams' `PartitionGroup.readyToProcess`. A partition is ready if one of
 * its records is buffered, or if it was read to its highest known end. While any partition is not ready,
 * nothing is taken. No clock, number of polls or wakeup changes that, so the order does not depend on the
 * network. A caller that gets nothing while {@link isWaiting} is true calls again.
 */
export class Intake {
  readonly #reader: Reader;
  readonly #merge: Merge;
  readonly #ends: KnownEnds | undefined;
  readonly #aheadRecords: number | undefined;
  /** Undefined: nothing is held back. */
  #gate: CatchUpGate | undefined;
  readonly #timers: ReadonlySet<string>;
  /** The ends of the topics of timers at the beginning. */
  readonly #began: ReadonlyMap<Lane, number>;
  readonly #full: () => boolean;
  #wasFull = false;
  readonly #buffer: InputBuffer;
  readonly #leaveBuffer: () => void;

  /**
   * @param latest Current ends of the partitions: those with records are waited for from the first batch on.
   */
  constructor(
    reader: Reader,
    positions: readonly PartitionOffset[],
    latest: readonly PartitionOffset[] = [],
    options: IntakeOptions = {},
  ) {
    const { datesOf, ends, aheadRecords, bounded, gate, timers, buffer = new InputBuffer(BUFFER_BYTES) } = options;
    this.#timers = timers ?? new Set();
    this.#full = options.isFull ?? (() => false);
    this.#buffer = buffer;
    this.#leaveBuffer = buffer.share();
    this.#reader = reader;
    this.#ends = ends;
    this.#aheadRecords = aheadRecords;
    const known = new Map(latest.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]));
    const partitions = positions.map((at) => ({
      ...at,
      end: known.get(partitionKey(at.topic, at.partition)) ?? at.offset,
    }));
    this.#merge = new Merge(partitions, { datesOf, bounded, grows: true });
    const noted = this.#merge.lanes.filter(({ topic }) => this.#timers.has(topic));
    this.#began = new Map(noted.map((lane) => [lane, lane.end]));
    for (const { topic, partition, offset } of positions) reader.seek({ topic, partition, offset });
    this.#gate = gate;
    if (gate === undefined) return;
    for (const lane of this.#merge.lanes) {
      lane.limit = gate.readTo({ topic: lane.topic, partition: lane.partition, offset: lane.position });
      if (lane.isHeld) this.#setPaused(lane, true);
    }
  }

  /** Next offset of every partition; all records before it were taken. */
  get positions(): readonly PartitionOffset[] {
    return this.#merge.positions;
  }

  /** The known end of each partition, in the order of {@link positions}: records before it exist. */
  get ends(): readonly PartitionOffset[] {
    return this.#merge.lanes.map(({ topic, partition, end }) => ({ topic, partition, offset: end }));
  }

  /**
   * Records that are in the log, as last seen, and were not taken. Firings of timers count only if they were
   * there at the beginning: there are always new ones.
   */
  get lag(): number {
    return this.#merge.lanes.reduce((sum, lane) => {
      const end = this.#timers.has(lane.topic) ? Math.min(lane.end, this.#began.get(lane) ?? 0) : lane.end;
      return sum + Math.max(0, end - lane.position);
    }, 0);
  }

  /** {@link lag} without the records that are held back. */
  get left(): number {
    return this.#merge.lanes.reduce((sum, { left }) => sum + left, 0);
  }

  /** Whether records that are known to exist must arrive before any can be taken. */
  get isWaiting(): boolean {
    return this.isFull ? !this.#merge.arePlacedReady : !this.#merge.isReady;
  }

  /**
   * Whether only internal inputs are read. If one of their records waits for others to be taken before it,
   * these are taken: the task would wait for ever.
   */
  protected get isFull(): boolean {
    return this.#full() && !this.#merge.isPlacedWaiting;
  }

  /** Whether internal inputs are known to have records that were not taken. */
  get isBehindNotes(): boolean {
    return this.#merge.lanes.some(({ isPlaced, left }) => isPlaced && left > 0);
  }

  /**
   * `own`: the task waits for no other. `watched`: other tasks wait for its progress. `held`: it waits for
   * others.
   */
  get pace(): 'own' | 'watched' | 'held' {
    return this.#gate !== undefined && this.left === 0 ? 'held' : 'own';
  }

  /** Whether others may be waiting for a commit, and all known records were taken or are held back. */
  get isAwaited(): boolean {
    return this.#gate?.isAwaited === true && this.left === 0;
  }

  /** Called when these {@link positions}, with their metadata, have been committed. */
  committed(positions: readonly PartitionOffset[]): void {
    this.#gate?.committed(positions);
  }

  /** Event time of the next record, if it is known. */
  get next(): number | undefined {
    return this.#merge.next;
  }

  /**
   * Takes up to `max` records, all of them before the time `before`. Returns none while the next record in
   * order is not known. Polls at most once, and waits up to `maxWaitMs` for records. Rejects with the
   * reader's errors, and with TOPIC_UNKNOWN if a partition that is waited for no longer exists.
   */
  async take(max: number, maxWaitMs: number, before?: number): Promise<readonly BrokerRecord[]> {
    const merge = this.#merge;
    if (this.isFull) return this.#takeNotes(max, maxWaitMs);
    if (this.#wasFull) {
      this.#wasFull = false;
      this.#resume();
    }
    const waitMs = this.#gate === undefined ? maxWaitMs : await this.#held(this.#gate, maxWaitMs);
    const here = merge.lanes.reduce((sum, { size }) => sum + size, 0);
    const waiting = !merge.isReady;
    if (waiting || here < max) await this.#poll(max, waiting || here === 0 ? waitMs : 0);
    await merge.dated();
    const taken = merge.take(max, undefined, before);
    this.#resume();
    if (merge.isReady) this.#ends?.rest();
    else
      this.#ends?.askFor(
        () => merge.lanes.filter((lane) => !lane.isReady),
        () => this.#reader.wakeup(),
      );
    return taken;
  }

  async #takeNotes(max: number, maxWaitMs: number): Promise<readonly BrokerRecord[]> {
    const merge = this.#merge;
    this.#wasFull = true;
    let here = 0;
    for (const lane of merge.lanes) {
      if (lane.isPlaced) here += lane.size;
      else if (!lane.paused) this.#setPaused(lane, true);
    }
    const waiting = !merge.arePlacedReady;
    if (waiting || here < max) await this.#poll(max, waiting || here === 0 ? maxWaitMs : 0);
    return merge.takePlaced(max);
  }

  /** Raises the known ends of partitions. */
  expect(ends: readonly PartitionOffset[]): void {
    for (const { topic, partition, offset } of ends) {
      const lane = this.#merge.lane(topic, partition);
      // A broker that has just become the leader may report fewer records than others did.
      if (lane && offset > lane.end) lane.end = offset;
    }
  }

  /** Interrupts a {@link take} that is waiting. */
  wakeup(): void {
    this.#reader.wakeup();
  }

  close(): Promise<void> {
    this.#leaveBuffer();
    return this.#reader.close();
  }

  async #poll(max: number, maxWaitMs: number): Promise<void> {
    const { lanes } = this.#merge;
    const ahead = this.#aheadRecords ?? AHEAD_BATCHES * max;
    const aheadBytes = this.#buffer.bytesEach / lanes.length;
    const maxBytes =
      aheadBytes *
      Math.max(
        1,
        lanes.reduce((sum, { paused }) => sum + (paused ? 0 : 1), 0),
      );
    // At least one record for each partition: one without a record could never become ready.
    const maxRecords = Math.max(Math.min(max, Math.floor(maxBytes / RECORD_BYTES)), lanes.length);
    const batches = await this.#reader.poll({ maxRecords, maxBytes, maxWaitMs });
    for (const { topic, partition, records, nextOffset, latestOffset } of batches) {
      const lane = this.#merge.lane(topic, partition);
      if (!lane) continue;
      if (latestOffset > lane.end) lane.end = latestOffset;
      const { limit } = lane;
      if (nextOffset < limit) this.#merge.receive(lane, records, nextOffset);
      else {
        const old = records.filter(({ offset }) => offset < limit);
        this.#merge.receive(lane, old, limit);
      }
      if (!lane.paused && (lane.size > ahead || lane.bytes > aheadBytes || lane.isHeld)) this.#setPaused(lane, true);
    }
  }

  #resume(): void {
    for (const lane of this.#merge.lanes)
      if (lane.paused && lane.size === 0 && !lane.isHeld) this.#setPaused(lane, false);
  }

  /** Releases what is held back, if it is time. Returns how long to wait for records. */
  async #held(gate: CatchUpGate, maxWaitMs: number): Promise<number> {
    const { left } = this;
    if (!(await gate.isOver(left, this.#merge.positions, maxWaitMs)))
      return left > 0 ? maxWaitMs : gate.waitMs(maxWaitMs);
    this.#gate = undefined;
    for (const lane of this.#merge.lanes) {
      const { topic, partition, fetchedTo: offset, isHeld } = lane;
      lane.limit = Number.POSITIVE_INFINITY;
      if (!isHeld) continue;
      // The reader has fetched records beyond the limit that were not taken.
      this.#reader.seek({ topic, partition, offset });
      this.#setPaused(lane, false);
    }
    gate.released();
    return maxWaitMs;
  }

  #setPaused(lane: Lane, paused: boolean): void {
    lane.paused = paused;
    this.#reader[paused ? 'pause' : 'resume']([lane]);
  }
}
