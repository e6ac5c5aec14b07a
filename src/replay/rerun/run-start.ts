import type { LeftOut } from '../../runtime/config/policies-in-force.js';
import type { WatchedTask } from './watched-task.js';

/** The start of a rerun that does not begin empty: what a snapshot stores besides its databases. */
export interface RunStart {
  /** Records of the slice so far. */
  readonly records: number;
  /** By task. */
  readonly streamTimes: Readonly<Record<string, number>>;
  /** The jump state of the tasks' source topics: by task, then topic. */
  readonly jumps: Readonly<Record<string, WatchedTask['jumps']>>;
  /** Next offset of each repartition partition, as `topic:partition`. */
  readonly repartitions: Readonly<Record<string, number>>;
  /** The policies that have left out a record so far. Older snapshots do not name them. */
  readonly leftOut?: readonly LeftOut[];
}
