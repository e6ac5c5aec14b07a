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

/** The place of something in a batch, which all queues and the outbox are sorted by. */
export interface Place {
  /** Index of the batch's record that caused it. */
  readonly index: number;
  /** When the timer that caused it was due; {@link BY_RECORD} if none did. What a record causes comes first, then its index's timers by due time, whichever stage they are in. */
  readonly due: number;
}

export const BY_RECORD = -1;

export const byPlace = (a: Place, b: Place): number => a.index - b.index || a.due - b.due;
