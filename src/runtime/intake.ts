import { type BrokerRecord, type PartitionOffset, partitionKey, type Reader } from '../broker/port.js';
import type { CatchUpGate } from './catch-up-gate.js';
import { InputBuffer, RECORD_BYTES } from './input-buffer.js';
import type { KnownEnds } from './known-ends.js';
import type { Dates, Lane } from './lane.js';
import { Merge } from './merge.js';

/** One partition far ahead of the others in time must not fill the memory while it waits for them. */
const AHEAD_BATCHES = 4;
/** Default: what an application has for all of its tasks. */
const BUFFER_BYTES = 64 * 1024 * 1024;

export interface IntakeOptions {
  /** When records of a topic happened; undefined, and left out: when the log says. */
  readonly datesOf?: (topic: string) => Dates | undefined;
  /** Asks where partitions end that keep silent. Left out: what is known of them once is taken for true. */
  readonly ends?: KnownEnds;
  /**
   * A partition that has more records here is paused until they are used up. Default: four times as many as
   * are taken at once.
   */
  readonly aheadRecords?: number;
  /**
   * The memory that it shares with others; a partition that has its part of it here is paused, too. Default:
   * one of its own.
   */
  readonly buffer?: InputBuffer;
  /** Whether {@link Intake.take} is given bounds: {@link Intake.next} is then known. */
  readonly bounded?: boolean;
  /** Holds new records back for a while. Left out: all are read. */
  readonly gate?: CatchUpGate | undefined;
}

/**
 * Takes records of partitions in the order of {@link Merge}, out of a reader that is its own: those of a
 * task, or of all global tables.
 *
 * The rule is that of Kafka Streams' `PartitionGroup.readyToProcess`: a partition is ready if a record of it
 * is here, or it is read to the highest end that is known. While any is not, nothing is taken: neither a
 * clock nor a number of polls nor a wakeup decides, so the order does not depend on the network. Whoever gets
 * nothing while {@link isWaiting} asks again.
 */
export class Intake {
  readonly #reader: Reader;
  readonly #merge: Merge;
  readonly #ends: KnownEnds | undefined;
  readonly #aheadRecords: number | undefined;
  /** Undefined: nothing is held back. */
  #gate: CatchUpGate | undefined;
  readonly #buffer: InputBuffer;
  readonly #leaveBuffer: () => void;

  /**
   * `latest`: the ends of the partitions now, so that those with records are waited for from the first batch
   * on.
   */
  constructor(
    reader: Reader,
    positions: readonly PartitionOffset[],
    latest: readonly PartitionOffset[] = [],
    { datesOf, ends, aheadRecords, bounded, gate, buffer = new InputBuffer(BUFFER_BYTES) }: IntakeOptions = {},
  ) {
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
    this.#merge = new Merge(partitions, datesOf, bounded);
    for (const { topic, partition, offset } of positions) reader.seek({ topic, partition, offset });
    this.#gate = gate;
    if (gate === undefined) return;
    for (const lane of this.#merge.lanes) {
      lane.limit = gate.readTo({ topic: lane.topic, partition: lane.partition, offset: lane.position });
      if (lane.isHeld) this.#setPaused(lane, true);
    }
  }

  /** Next offset of every partition: what has been taken is before it. */
  get positions(): readonly PartitionOffset[] {
    return this.#merge.positions;
  }

  /** Where each of them ends, in the same order: records before that are known to exist. */
  get ends(): readonly PartitionOffset[] {
    return this.#merge.lanes.map(({ topic, partition, end }) => ({ topic, partition, offset: end }));
  }

  /** Records that are in the log, as last seen, and not taken. */
  get lag(): number {
    return this.#merge.lanes.reduce((sum, { end, position }) => sum + Math.max(0, end - position), 0);
  }

  /** Those of them that are not held back. */
  get left(): number {
    return this.#merge.lanes.reduce((sum, { left }) => sum + left, 0);
  }

  /** Whether records are known to exist that have to be here before any can be taken. */
  get isWaiting(): boolean {
    return !this.#merge.isReady;
  }

  /**
   * Its own; or watched, if other tasks wait to know how far this one is; or held, if it waits for them
   * itself.
   */
  get pace(): 'own' | 'watched' | 'held' {
    return this.#gate !== undefined && this.left === 0 ? 'held' : 'own';
  }

  /** Whether others may wait now for a commit, and all that is known to exist was taken, or is held back. */
  get isAwaited(): boolean {
    return this.#gate?.isAwaited === true && this.left === 0;
  }

  /** These {@link positions}, with their texts, have been committed. */
  committed(positions: readonly PartitionOffset[]): void {
    this.#gate?.committed(positions);
  }

  /** Event time of the record that comes next, if that is known. */
  get next(): number | undefined {
    return this.#merge.next;
  }

  /**
   * Up to `max` records, `before` a time; none while it cannot be told which comes next. Polls once at most,
   * and waits up to `maxWaitMs` for something to come. Rejects with what the reader does; TOPIC_UNKNOWN also
   * if a partition that is waited for is gone.
   */
  async take(max: number, maxWaitMs: number, before?: number): Promise<readonly BrokerRecord[]> {
    const merge = this.#merge;
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

  /** Somebody has seen where partitions end. */
  expect(ends: readonly PartitionOffset[]): void {
    for (const { topic, partition, offset } of ends) {
      const lane = this.#merge.lane(topic, partition);
      // A broker that has just become the leader may know of less than others did.
      if (lane && offset > lane.end) lane.end = offset;
    }
  }

  /** Ends a waiting {@link take}. */
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
    // At least one record a partition: whoever is left out would not be waited for.
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

  /** Lets go what is held back, if it is time. Returns how long to wait for records. */
  async #held(gate: CatchUpGate, maxWaitMs: number): Promise<number> {
    const { left } = this;
    if (!(await gate.isOver(left, this.#merge.positions, maxWaitMs)))
      return left > 0 ? maxWaitMs : gate.waitMs(maxWaitMs);
    this.#gate = undefined;
    for (const lane of this.#merge.lanes) {
      const { topic, partition, fetchedTo: offset, isHeld } = lane;
      lane.limit = Number.POSITIVE_INFINITY;
      if (!isHeld) continue;
      // What the reader has fetched beyond was not taken.
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
