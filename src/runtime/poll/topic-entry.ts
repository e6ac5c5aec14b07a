import type { BrokerRecord } from '../../broker/port.js';
import type { AnyRecord, Outlet } from '../../dsl/contract/processor.js';
import type { Dates } from './lane.js';
import type { TimeJumps } from './time-jumps.js';

/** The point where records of one topic enter. */
export interface TopicEntry {
  readonly node: string;
  readonly outlet: Outlet;
  /** Refuses records that are too far ahead of stream time; undefined: no record is refused. */
  readonly jumps: TimeJumps | undefined;
  /** The name of the repartition, if the topic is one; the {@link internalInput}, if it is one of these. */
  readonly internal?: string;
  /** Its records move no stream time. */
  readonly isNoted?: true;
  /** The event times of its records; undefined: the log's timestamps. */
  readonly dates: Dates | undefined;
  deserialize(record: BrokerRecord): AnyRecord;
}
