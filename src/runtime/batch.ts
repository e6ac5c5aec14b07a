import type { BrokerRecord } from '../broker/port.js';

/**
 * The records that go through a task together, in order. A record's index in it is its place in the order of everything that the batch causes: queues and sinks sort by it.
 */
export interface Batch {
  readonly records: readonly BrokerRecord[];
  /** Stream time of the task once that record has been pushed. */
  readonly streamTimes: readonly number[];
  /** Sequence number of the first record, counted since the task was opened. */
  readonly firstSequence: number;
}
