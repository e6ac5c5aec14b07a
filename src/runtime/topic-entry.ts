import type { BrokerRecord } from '../broker/port.js';
import type { AnyRecord, Outlet } from '../dsl/processor.js';
import type { Dates } from './lane.js';
import type { TimeJumps } from './time-jumps.js';

/** Where records of one topic enter. */
export interface TopicEntry {
  readonly node: string;
  readonly outlet: Outlet;
  /** Refuses records that are too far ahead of stream time; undefined: none is. */
  readonly jumps: TimeJumps | undefined;
  /** The name of the repartition, if the topic is one. */
  readonly repartition?: string;
  /** Says when its records happened; undefined: when the log says. */
  readonly dates: Dates | undefined;
  deserialize(record: BrokerRecord): AnyRecord;
}
