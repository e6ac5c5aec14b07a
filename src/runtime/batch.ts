import type { BrokerRecord } from '../broker/port.js';

/**
 * The records that go through a task together, in order. A record's index in it is its place in the order of everything that the batch causes: queues and sinks sort by it.
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

/** The place of something in a batch, which all queues and the outbox are sorted by: see {@link byPlace}. */
export interface Place {
  /** Index of the batch's record that caused it. */
  readonly index: number;
  /** When the timer that caused it was due; {@link BY_RECORD} if none did. */
  readonly due: number;
  /** The item whose processing emitted it; undefined: it was emitted by the source, or by a timer. */
  readonly cause: Place | undefined;
  /** How many causes lie before it. */
  readonly depth: number;
  /** Counts what was emitted in the batch: what one item emits has rising numbers. */
  readonly number: number;
}

export const BY_RECORD = -1;

/**
 * The order of what a batch causes. First by the record that caused it; then what the record itself caused before what timers of its moment did, by due time, whichever stage they are in; then depth first, as one
 * record would run through a chain of calls: all that follows from one emission comes before the next emission, in whichever stage it is processed.
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
