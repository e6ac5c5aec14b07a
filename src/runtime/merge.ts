import { type BrokerRecord, type PartitionOffset, partitionKey } from '../broker/port.js';
import { type Dates, Lane } from './lane.js';
import { byPartition } from './record-order.js';

export interface MergedPartition extends PartitionOffset {
  /** Records before it are known to exist. */
  readonly end: number;
}

/**
 * The records of several partitions in one order: each time the partition whose next record has the lowest
 * event time gives it; of equal ones the first by {@link byPartition}. Records of a partition stay in the
 * order of their offsets, so one with an older time than the record before it comes right after that.
 *
 * The one place where that is decided, for a running task as for a replay. Nothing is given out while a
 * partition lacks a record that is known to exist: its time may be the lowest.
 */
export class Merge {
  readonly lanes: readonly Lane[];
  readonly #byKey: ReadonlyMap<string, Lane>;
  /** Lanes whose next record is known, as a heap: the one that comes next first. */
  readonly #heap: Lane[] = [];
  /** The lane, if there is one only: there is nothing to merge. */
  readonly #only: Lane | undefined;

  /**
   * `datesOf`: undefined for topics whose records happened when the log says. `bounded`: {@link take} is
   * given bounds.
   */
  constructor(
    partitions: readonly MergedPartition[],
    datesOf: (topic: string) => Dates | undefined = () => undefined,
    bounded = false,
  ) {
    // What is alone comes next whenever it happened, unless somebody asks when.
    const alone = partitions.length === 1 && !bounded;
    const dates = alone ? () => undefined : datesOf;
    this.lanes = partitions
      .toSorted(byPartition)
      .map((partition, order) => new Lane(partition, partition.end, order, dates(partition.topic)));
    this.#only = alone ? this.lanes[0] : undefined;
    this.#byKey = new Map(this.lanes.map((lane) => [partitionKey(lane.topic, lane.partition), lane]));
  }

  /** Next offset of every partition: everything before it was given out. */
  get positions(): readonly PartitionOffset[] {
    return this.lanes.map(({ topic, partition, position }) => ({ topic, partition, offset: position }));
  }

  /** Whether it is known what comes next. */
  get isReady(): boolean {
    for (const lane of this.lanes) if (!lane.isReady) return false;
    return true;
  }

  /** Event time of the record that comes next; undefined: that is not known, or there is none. */
  get next(): number | undefined {
    return this.isReady ? this.#heap[0]?.time : undefined;
  }

  lane(topic: string, partition: number): Lane | undefined {
    return this.#byKey.get(partitionKey(topic, partition));
  }

  /** Adds what was fetched. */
  receive(lane: Lane, records: readonly BrokerRecord[], nextOffset: number): void {
    const had = lane.hasHead;
    lane.receive(records, nextOffset);
    if (!had && lane.hasHead && this.#only === undefined) this.#add(lane);
  }

  /**
   * Fetches what the times of next records take; undefined: nothing, almost always. Rejects if it cannot be
   * had.
   */
  dated(): Promise<void> | undefined {
    for (const lane of this.lanes) {
      const dated = lane.dated();
      if (dated) return this.#dated(lane, dated);
    }
    return undefined;
  }

  /**
   * Up to so many of the next records, as far as it is known which they are. `isAtEnd`: asked after each of
   * them. `before`: none of that time or later.
   */
  take(max: number, isAtEnd?: () => boolean, before = Number.POSITIVE_INFINITY): readonly BrokerRecord[] {
    if (this.#only !== undefined) return this.#only.shiftMany(max);
    if (!this.isReady) return [];
    const taken: BrokerRecord[] = [];
    let ended = false;
    while (taken.length < max && !ended) {
      const lane = this.#heap[0];
      if (lane === undefined || lane.time >= before) break;
      const second = this.#second();
      do {
        taken.push(lane.shift());
        ended = isAtEnd?.() ?? false;
      } while (
        !ended &&
        taken.length < max &&
        lane.hasHead &&
        lane.time < before &&
        (second === undefined || comesBefore(lane, second))
      );
      if (lane.hasHead) this.#sink();
      else {
        this.#removeFirst();
        // What it has next may come before all others.
        if (!lane.isReady) break;
      }
    }
    return taken;
  }

  async #dated(lane: Lane, dated: Promise<void>): Promise<void> {
    await dated;
    this.#add(lane);
    await this.dated();
  }

  #second(): Lane | undefined {
    const [, left, right] = this.#heap;
    return left !== undefined && right !== undefined && comesBefore(right, left) ? right : left;
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

  #removeFirst(): void {
    const last = this.#heap.pop() as Lane;
    if (this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink();
  }

  /** The first has another record: puts it where that belongs. */
  #sink(): void {
    const heap = this.#heap;
    for (let at = 0; ; ) {
      let first = at;
      for (let child = 2 * at + 1; child <= 2 * at + 2; child++)
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

const comesBefore = (a: Lane, b: Lane): boolean => a.time < b.time || (a.time === b.time && a.order < b.order);
