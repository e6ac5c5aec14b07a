import { type BrokerRecord, type PartitionOffset, partitionKey } from '../../broker/port.js';
import { type Dates, Lane } from './lane.js';
import { byPartition } from './record-order.js';

export interface MergeOptions {
  /** Returns undefined for topics with the log's timestamps as event times, as without it. */
  readonly datesOf?: ((topic: string) => Dates | undefined) | undefined;
  /** Whether calls of {@link Merge.take} have bounds. */
  readonly bounded?: boolean | undefined;
  /**
   * The partitions have no last record: whatever the place of a record names is waited for, if it exists.
   * Otherwise such a record may lie behind the end, and is never taken.
   */
  readonly grows?: boolean;
}

export interface MergedPartition extends PartitionOffset {
  /** Records before it are known to exist. */
  readonly end: number;
}

/**
 * The records of several partitions in one order. The next record is always the one with the lowest event
 * time among the next records of all partitions; ties go to the first by {@link byPartition}. Records of a
 * partition stay in the order of their offsets. So a record that is older than its predecessor comes directly
 * after it.
 *
 * Records of internal inputs have places in this order: see {@link InputPlace}. When its turn comes, such a
 * record comes before all others; until then it holds none of them back.
 *
 * This order is only decided here, for a running task as for a replay. Nothing is taken while a partition
 * lacks a record that is known to exist: its time may be the lowest.
 */
export class Merge {
  readonly lanes: readonly Lane[];
  readonly #byKey: ReadonlyMap<string, Lane>;
  /** Internal inputs: they are not in the heap. */
  readonly #placed: readonly Lane[];
  /** Lanes with a known next record, as a heap: the one that comes next is first. */
  readonly #heap: Lane[] = [];
  /** The only lane, if there is just one: nothing has to be merged. */
  readonly #only: Lane | undefined;
  readonly #grows: boolean;
  /** Whether records of internal inputs were left out: see {@link InputPlace.isLate}. */
  hasLeftOut = false;

  constructor(
    partitions: readonly MergedPartition[],
    { datesOf = () => undefined, bounded = false, grows = false }: MergeOptions = {},
  ) {
    // The records of a single partition come in order, so their times are needed only with bounds.
    const alone = partitions.length === 1 && !bounded;
    const dates = alone ? () => undefined : datesOf;
    this.lanes = partitions
      .toSorted(byPartition)
      .map((partition, order) => new Lane(partition, partition.end, order, dates(partition.topic)));
    this.#only = alone ? this.lanes[0] : undefined;
    this.#grows = grows;
    this.#placed = this.lanes.filter(({ isPlaced }) => isPlaced);
    this.#byKey = new Map(this.lanes.map((lane) => [partitionKey(lane.topic, lane.partition), lane]));
  }

  /** Next offset of every partition; all records before it were taken. */
  get positions(): readonly PartitionOffset[] {
    return this.lanes.map(({ topic, partition, position }) => ({ topic, partition, offset: position }));
  }

  /** Whether the next record is known. */
  get isReady(): boolean {
    for (const lane of this.lanes) if (!lane.isReady) return false;
    return true;
  }

  /** Whether what internal inputs are known to hold has been fetched. */
  get arePlacedReady(): boolean {
    return this.#placed.every(({ isReady }) => isReady);
  }

  /** Whether a record of an internal input waits for others to be taken before it. */
  get isPlacedWaiting(): boolean {
    return this.#placed.some((lane) => lane.hasHead && !this.#hasTurn(lane));
  }

  /** Event time of the next record; undefined: it is not known, or there is none. */
  get next(): number | undefined {
    return this.isReady ? (this.#turn() ?? this.#heap[0])?.time : undefined;
  }

  lane(topic: string, partition: number): Lane | undefined {
    return this.#byKey.get(partitionKey(topic, partition));
  }

  /** Adds fetched records. */
  receive(lane: Lane, records: readonly BrokerRecord[], nextOffset: number): void {
    const had = lane.hasHead;
    lane.receive(records, nextOffset);
    if (had || !lane.hasHead || this.#only !== undefined) return;
    if (lane.isPlaced) this.#place(lane);
    else this.#add(lane);
  }

  /**
   * Fetches what is needed for the times of next records; undefined: nothing, as is almost always the case.
   * Rejects if it cannot be fetched.
   */
  dated(): Promise<void> | undefined {
    for (const lane of this.lanes) {
      const dated = lane.dated();
      if (dated) return this.#dated(lane, dated);
    }
    return undefined;
  }

  /**
   * Takes up to `max` of the next records, as far as they are known.
   *
   * @param isAtEnd Called after each record; true ends the call.
   * @param before Only records before this time are taken.
   */
  take(max: number, isAtEnd?: () => boolean, before = Number.POSITIVE_INFINITY): readonly BrokerRecord[] {
    if (this.#only !== undefined) return this.#only.shiftMany(max);
    if (!this.isReady) return [];
    const taken: BrokerRecord[] = [];
    let ended = false;
    const hasPlaced = this.#placed.length > 0;
    while (taken.length < max && !ended) {
      const placed = hasPlaced ? this.#turn() : undefined;
      if (placed !== undefined) {
        taken.push(placed.shift());
        this.#place(placed);
        ended = isAtEnd?.() ?? false;
        if (!placed.isReady) break;
        continue;
      }
      const lane = this.#heap[0];
      if (lane === undefined || lane.time >= before || (hasPlaced && !this.isReady)) break;
      const second = this.#second();
      do {
        taken.push(lane.shift());
        ended = isAtEnd?.() ?? false;
      } while (
        !ended &&
        taken.length < max &&
        lane.hasHead &&
        lane.time < before &&
        (second === undefined || comesBefore(lane, second)) &&
        (!hasPlaced || this.#noneHasTurn())
      );
      if (lane.hasHead) this.#sink();
      else {
        this.#removeFirst();
        // Its next record may come before all others.
        if (!lane.isReady) break;
      }
    }
    return taken;
  }

  /**
   * Takes records of internal inputs only. Their turn comes before all others, so no others need be known.
   */
  takePlaced(max: number): readonly BrokerRecord[] {
    const taken: BrokerRecord[] = [];
    while (taken.length < max && this.arePlacedReady) {
      const lane = this.#turn();
      if (lane === undefined) break;
      taken.push(lane.shift());
      this.#place(lane);
    }
    return taken;
  }

  async #dated(lane: Lane, dated: Promise<void>): Promise<void> {
    await dated;
    this.#add(lane);
    await this.dated();
  }

  /** Notes which lanes the next record of an internal input waits for. */
  #place(lane: Lane): void {
    const { place } = lane;
    if (place === undefined || !lane.hasHead) return;
    const awaits = new Map<Lane, number>();
    for (const { topic, partition, offset } of place.after) {
      const other = this.lane(topic, partition);
      if (other && offset > (awaits.get(other) ?? 0)) awaits.set(other, offset);
    }
    if (this.#grows) for (const [other, offset] of awaits) other.expect(offset);
    lane.awaits = awaits;
  }

  /** The internal input whose next record has its turn now: of several, the one with the lowest timestamp. */
  #turn(): Lane | undefined {
    let first: Lane | undefined;
    for (const lane of this.#placed) {
      while (this.#hasTurn(lane) && this.#isLeftOut(lane)) {
        lane.shift();
        this.#place(lane);
        this.hasLeftOut = true;
      }
      if (!this.#hasTurn(lane)) continue;
      if (first === undefined || lane.headTimestamp < first.headTimestamp) first = lane;
    }
    // Records that wait for each other: no task writes such.
    if (first === undefined && this.#grows && this.#heap.length === 0 && this.isReady)
      return this.#placed.find(({ hasHead }) => hasHead);
    return first;
  }

  #hasTurn({ hasHead, place, awaits }: Lane): boolean {
    if (!hasHead || place === undefined) return hasHead;
    for (const [other, offset] of awaits) {
      if (other.reached < (this.#grows ? Math.min(offset, other.end, other.limit) : offset)) return false;
    }
    return true;
  }

  #isLeftOut({ place, awaits }: Lane): boolean {
    if (place?.isLate !== true) return false;
    const named = [...awaits.keys()].filter(({ isPlaced }) => !isPlaced);
    const sources = named.length > 0 ? named : this.lanes.filter(({ isPlaced }) => !isPlaced);
    return !sources.some(({ hasHead }) => hasHead);
  }

  /** Whether it is known that no internal input has its turn. */
  #noneHasTurn(): boolean {
    return this.#turn() === undefined && this.#placed.every(({ isReady }) => isReady);
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

  /** Moves the first lane to its place after its next record has changed. */
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
