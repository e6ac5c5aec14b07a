import type { WatchedTask } from './watched-task.js';

/** Where a rerun begins, if not at nothing: what a snapshot says beside its databases. */
export interface RunStart {
  /** Records of the slice so far. */
  readonly records: number;
  /** By task. */
  readonly streamTimes: Readonly<Record<string, number>>;
  /** What tasks know of the jumps of their sources' times: by task, then topic. */
  readonly jumps: Readonly<Record<string, WatchedTask['jumps']>>;
  /** Next offset of each repartition partition, as `topic:partition`. */
  readonly repartitions: Readonly<Record<string, number>>;
}
