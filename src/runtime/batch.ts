import type { BrokerRecord } from '../broker/port.js';

/** Where something arrives: an input of a node. One object for all that arrives there. */
export interface Spot {
  readonly node: string;
  readonly port: number;
}

/**
 * The turn of a timer, which is like no other: it can say so in a text that is the same whenever that turn
 * comes again.
 */
export interface Firing {
  readonly text: string;
}

const NOWHERE: Spot = { node: '', port: 0 };

/**
 * The records that go through a task together, in order. A record's index in it is its place in the order of
 * everything that the batch causes: queues and sinks sort by it.
 */
export interface Batch {
  readonly records: readonly BrokerRecord[];
  /** Stream time of the task once that record has been pushed. */
  readonly streamTimes: readonly number[];
  /** Time of the wall clock, in a batch that is there for its timers: they have the place behind index 0. */
  readonly wallTime?: number;
  /** Sequence number of the first record, counted since the task was opened. */
  readonly firstSequence: number;
}

/**
 * The place of something in a batch, which all queues and the outbox are sorted by: see {@link byPlace}.
 *
 * What there is one of for each record of a batch is made by constructors: places, items of stages, items of
 * the outbox. For an object literal V8 notes how many of the first of its objects live through collections,
 * and those of a first batch mostly do. From then on it may make all of them in the old generation, where
 * each keeps its record and value until the next full collection.
 */
export class Place {
  /** How many causes lie before it. */
  readonly depth: number;

  /**
   * @param index Of the batch's record that caused it.
   * @param due When the timer that caused it was due; {@link BY_RECORD} if none did.
   * @param cause The item whose processing emitted it; undefined: it was emitted by the source, or by a timer.
   * @param number Counts what was emitted in the batch: what one item emits has rising numbers.
   * @param spot Where it arrived. This and the next two do not depend on the batch: see origin.ts.
   * @param emission Counts what the cause emitted.
   * @param delivery Counts what arrived at that spot of one emission.
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
 * Of what a timer emitted, not an item or a source. A class of its own, so that all other places do without
 * the field.
 */
export class FiredPlace extends Place {
  constructor(
    readonly firing: Firing,
    { index, due, number, spot, emission, delivery }: Omit<Place, 'cause' | 'depth'>,
  ) {
    super(index, due, undefined, number, spot, emission, delivery);
  }
}

export const BY_RECORD = -1;

/**
 * The order of what a batch causes. First by the record that caused it; then what the record itself caused
 * before what timers of its moment did, by due time, whichever stage they are in; then depth first, as one
 * record would run through a chain of calls: all that follows from one emission comes before the next
 * emission, in whichever stage it is processed.
 */
export function byPlace(a: Place, b: Place): number {
  return a.index - b.index || a.due - b.due || depthFirst(a, b);
}

function depthFirst(a: Place, b: Place): number {
  if (a.cause === b.cause) return a.number - b.number;
  let [left, right] = [a, b];
  while (left.depth > right.depth) left = left.cause as Place;
  while (right.depth > left.depth) right = right.cause as Place;
  // One followed from the other.
  if (left === right) return a.depth - b.depth;
  while (left.cause !== right.cause) {
    left = left.cause as Place;
    right = right.cause as Place;
  }
  return left.number - right.number;
}
