import { type Broker, type BrokerRecord, type PartitionOffset, partitionKey, type Reader } from '../broker/port.js';
import { stopped } from '../runtime/stopped.js';
import type { Slice, SlicePart } from './slice.js';

/** Records that are fetched ahead, over all partitions; each has at least a poll's share. */
const READ_AHEAD_RECORDS = 20_000;
const MIN_READ_AHEAD_RECORDS = 500;
const WAIT_MS = 500;

/** One partition of the slice. */
interface Lane {
  readonly part: SlicePart;
  /** Its place among equal timestamps: by topic, then partition. */
  readonly order: number;
  records: BrokerRecord[];
  at: number;
  /** Where the reader stands. */
  fetchedTo: number;
  /** Everything before it was taken. */
  position: number;
  paused: boolean;
}

/**
 * The records of a slice in one order: each time the partition whose next record has the lowest timestamp gives it; of equal ones the first by name of the topic, then by partition. Records of a partition stay in the order of
 * their offsets, so one with an older timestamp than the record before it comes right after that.
 *
 * Streamed: memory is bounded by the records read ahead, 20,000 in all (500 a partition at least), however long the slice is.
 */
export class MergedReader {
  readonly #reader: Reader;
  readonly #lanes: readonly Lane[];
  readonly #byKey: ReadonlyMap<string, Lane>;
  readonly #limit: number;
  readonly #signal: AbortSignal | undefined;
  /** Lanes with a record at hand, as a heap: the next one first. */
  #heap: Lane[] = [];
  #endsWith: Lane[] | undefined;
  /** Records of the whole slice, by offsets: holes count as records. */
  readonly total: number;

  private constructor(reader: Reader, slice: Slice, signal: AbortSignal | undefined) {
    this.#reader = reader;
    this.#signal = signal;
    const sorted = slice.parts.toSorted((a, b) => compareText(a.topic, b.topic) || a.partition - b.partition);
    this.#lanes = sorted.map((part, order) => ({
      part,
      order,
      records: [],
      at: 0,
      fetchedTo: part.from,
      position: part.from,
      paused: false,
    }));
    this.#byKey = new Map(this.#lanes.map((lane) => [partitionKey(lane.part.topic, lane.part.partition), lane]));
    this.#endsWith = slice.endsWith?.map((key) => this.#byKey.get(key) as Lane);
    this.#limit = Math.max(MIN_READ_AHEAD_RECORDS, Math.floor(READ_AHEAD_RECORDS / Math.max(1, sorted.length)));
    this.total = sorted.reduce((sum, { from, to }) => sum + to - from, 0);
    for (const { part } of this.#lanes) {
      if (part.from < part.to) reader.seek({ topic: part.topic, partition: part.partition, offset: part.from });
    }
  }

  static async open(broker: Broker, slice: Slice, signal?: AbortSignal): Promise<MergedReader> {
    return new MergedReader(await broker.createReader(), slice, signal);
  }

  /** Next offset of every partition: everything before it has been given out. */
  get positions(): readonly PartitionOffset[] {
    return this.#lanes.map(({ part: { topic, partition }, position }) => ({ topic, partition, offset: position }));
  }

  /** Partitions that had nothing more to give when they were last looked at, though the log may have grown since. */
  get exhausted(): readonly string[] {
    return this.#lanes.filter(isDone).map(({ part }) => partitionKey(part.topic, part.partition));
  }

  /** The next records, at most so many; none: the slice is at its end. STOPPED if the signal was aborted. */
  async next(max: number): Promise<BrokerRecord[]> {
    await this.#fill();
    const taken: BrokerRecord[] = [];
    while (taken.length < max && !this.#atEnd()) {
      const lane = this.#heap[0];
      if (lane === undefined) break;
      this.#takeRun(lane, max, taken);
      // What it has next may come before all others: the rest waits for it.
      if (lane.at >= lane.records.length && !isDone(lane)) break;
    }
    return taken;
  }

  async close(): Promise<void> {
    await this.#reader.close();
  }

  /** A slice that ends with some partitions ends as soon as they do. */
  #atEnd(): boolean {
    return this.#endsWith?.every((lane) => lane.position >= lane.part.to) ?? false;
  }

  /** Takes from the first lane as long as it stays the first. */
  #takeRun(lane: Lane, max: number, taken: BrokerRecord[]): void {
    const second = this.#second();
    const { records } = lane;
    const ends = this.#endsWith !== undefined;
    do {
      taken.push(records[lane.at++] as BrokerRecord);
      const last = lane.at >= records.length;
      lane.position = last ? lane.fetchedTo : (records[lane.at - 1] as BrokerRecord).offset + 1;
      if (last || (ends && this.#atEnd())) break;
    } while (taken.length < max && (second === undefined || comesBefore(lane, second)));
    if (lane.at >= records.length) {
      lane.records = [];
      lane.at = 0;
      const moved = this.#heap.pop() as Lane;
      if (this.#heap.length > 0) this.#heap[0] = moved;
    }
    this.#sink(0);
  }

  #second(): Lane | undefined {
    const [, left, right] = this.#heap;
    return left !== undefined && right !== undefined && comesBefore(right, left) ? right : left;
  }

  /** Until every lane that is not done has a record at hand. */
  async #fill(): Promise<void> {
    while (this.#lanes.some((lane) => lane.at >= lane.records.length && !isDone(lane))) {
      if (this.#signal?.aborted) throw stopped('the replay was stopped', 'reading the source topics');
      this.#resume();
      await this.#poll();
    }
    if (this.#signal?.aborted) throw stopped('the replay was stopped', 'reading the source topics');
  }

  #resume(): void {
    for (const lane of this.#lanes) {
      if (!lane.paused || lane.records.length - lane.at > this.#limit / 2) continue;
      lane.paused = false;
      this.#reader.resume([lane.part]);
    }
  }

  async #poll(): Promise<void> {
    const maxRecords = Math.max(2_000, this.#lanes.length);
    for (const batch of await this.#reader.poll({ maxRecords, maxWaitMs: WAIT_MS })) {
      const lane = this.#byKey.get(partitionKey(batch.topic, batch.partition));
      if (!lane || isRead(lane)) continue;
      const { part } = lane;
      const last = batch.records.at(-1);
      const inside =
        last !== undefined && last.offset >= part.to
          ? batch.records.filter(({ offset }) => offset < part.to)
          : batch.records;
      const had = lane.records.length - lane.at;
      lane.records = had > 0 ? lane.records.slice(lane.at).concat(inside) : (inside as BrokerRecord[]);
      lane.at = 0;
      lane.fetchedTo = Math.min(batch.nextOffset, part.to);
      if (lane.records.length === 0) lane.position = lane.fetchedTo;
      if (isRead(lane)) this.#reader.remove([part]);
      else if (!lane.paused && lane.records.length > this.#limit) {
        lane.paused = true;
        this.#reader.pause([part]);
      }
      if (had === 0 && lane.records.length > 0) this.#add(lane);
    }
  }

  #add(lane: Lane): void {
    const heap = this.#heap;
    let at = heap.push(lane) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!comesBefore(heap[at] as Lane, heap[parent] as Lane)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #sink(from: number): void {
    const heap = this.#heap;
    for (let at = from; ; ) {
      let first = at;
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < heap.length && comesBefore(heap[child] as Lane, heap[first] as Lane)) first = child;
      if (first === at) return;
      this.#swap(at, first);
      at = first;
    }
  }

  #swap(a: number, b: number): void {
    const lane = this.#heap[a] as Lane;
    this.#heap[a] = this.#heap[b] as Lane;
    this.#heap[b] = lane;
  }
}

/** All of it is fetched. */
const isRead = ({ fetchedTo, part }: Lane): boolean => fetchedTo >= part.to;
/** All of it is given out. */
const isDone = (lane: Lane): boolean => isRead(lane) && lane.at >= lane.records.length;

function comesBefore(a: Lane, b: Lane): boolean {
  const left = (a.records[a.at] as BrokerRecord).timestamp;
  const right = (b.records[b.at] as BrokerRecord).timestamp;
  return left < right || (left === right && a.order < b.order);
}

/** By code units: the same everywhere, whatever the language of the machine. */
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
