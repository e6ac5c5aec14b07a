import type { BrokerRecord } from '../../broker/port.js';
import type { AnyRecord } from '../../dsl/contract/processor.js';

/** An input of a node, where records arrive. All records that arrive there share one object. */
export interface Spot {
  readonly node: string;
  readonly port: number;
}

/** The unique firing of a timer. Its text identifies it, and is the same whenever the firing is repeated. */
export interface Firing {
  readonly text: string;
}

const NOWHERE: Spot = { node: '', port: 0 };

/**
 * The records that go through a task together, in order. A record's index in the batch is its place in the
 * order of everything that the batch causes: queues and sinks sort by it.
 */
export interface Batch {
  readonly records: readonly BrokerRecord[];
  /** Stream time of the task after this record has been pushed. */
  readonly streamTimes: readonly number[];
  /** Sequence number of the first record, counted since the task was opened. */
  readonly firstSequence: number;
}

/**
 * The place of an item in a batch, by which all queues and the outbox are sorted: see {@link byPlace}.
 *
 * Objects that exist once for each record are created by constructors: places, items of stages, items of the
 * outbox. For an object literal, V8 counts how many of the first objects survive garbage collections, and
 * most objects of a first batch do. V8 may then allocate all of them in the old generation. There, each one
 * keeps its record and value alive until the next full collection.
 */
export class Place {
  /** Number of causes before it. */
  readonly depth: number;

  /**
   * @param index Index of the batch's record that caused it.
   * @param due When the timer that caused it was due; {@link BY_RECORD} if no timer did.
   * @param cause The item that emitted it; undefined if a source or a timer did.
   * @param number Counts the emissions of the batch; those of one item have rising numbers.
   * @param spot Where it arrived. This and the next two do not depend on the batch: see origin.ts.
   * @param emission Counts the emissions of the cause.
   * @param delivery Counts the arrivals of one emission at this spot.
   */
  constructor(
    readonly index: number,
    readonly due: number,
    readonly cause: Place | undefined,
    readonly number: number,
    readonly spot: Spot = NOWHERE,
    readonly emission = 0,
    readonly delivery = 0,
  ) {
    this.depth = cause === undefined ? 0 : cause.depth + 1;
  }
}

/**
 * The place of what a timer emitted, rather than an item or a source. It is a separate class so that other
 * places do not need the field.
 */
export class FiredPlace extends Place {
  constructor(
    readonly firing: Firing,
    { index, due, number, spot, emission, delivery }: Omit<Place, 'cause' | 'depth'>,
  ) {
    super(index, due, undefined, number, spot, emission, delivery);
  }
}

/** A record that has arrived at an input of a node. */
export interface PlacedRecord {
  readonly place: Place;
  readonly record: AnyRecord;
}

export const BY_RECORD = -1;

/**
 * The order of everything that a batch causes. First by the record that caused it. Then the effects of the
 * record itself come before those of timers that fired at that moment, which are ordered by due time, across
 * all stages. Then depth first, as one record would run through a chain of calls: everything that follows
 * from one emission comes before the next emission, across all stages.
 */
export function byPlace(a: Place, b: Place): number {
  return a.index - b.index || a.due - b.due || depthFirst(a, b);
}

function depthFirst(a: Place, b: Place): number {
  if (a.cause === b.cause) return a.number - b.number;
  let [left, right] = [a, b];
  while (left.depth > right.depth) left = left.cause as Place;
  while (right.depth > left.depth) right = right.cause as Place;
  // One of them is an ancestor of the other.
  if (left === right) return a.depth - b.depth;
  while (left.cause !== right.cause) {
    left = left.cause as Place;
    right = right.cause as Place;
  }
  return left.number - right.number;
}
