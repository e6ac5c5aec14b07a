import type { PartitionOffset } from '../broker/port.js';
import type { TaskState } from '../state/task-state.js';
import { withVersion } from './application-version.js';
import type { BatchRunner } from './batch-runner.js';
import { type BeforeCommit, beginningsOf, emptiedOf, withCommitMarks } from './commit-marks.js';
import type { EngineConfig } from './config.js';
import { offsetsOf } from './sources.js';
import { streamTimesNow, withStreamTimes } from './stream-times.js';
import type { Beginning } from './where-to-begin.js';

export interface GroupOffsetsOptions {
  readonly config: Pick<EngineConfig, 'version' | 'applicationId'>;
  readonly begins: Beginning;
  readonly runner: BatchRunner;
  readonly state: TaskState | undefined;
}

/** What the group has of a task, and what the task tells it beside its offsets. */
export class GroupOffsets {
  readonly #options: GroupOffsetsOptions;
  readonly #before: BeforeCommit;
  #last: ReadonlyMap<string, number>;

  constructor(options: GroupOffsetsOptions) {
    this.#options = options;
    this.#last = offsetsOf(options.begins.positions);
    const { committed, positions } = options.begins;
    // The state knows of a reset that offsets which somebody else has set do not tell of.
    const emptied = options.state?.checkpoint.emptied ?? emptiedOf(committed);
    this.#before = { emptied, begun: beginningsOf(committed, positions) };
  }

  /** Next offset of each source: as committed, or where the task began. */
  get last(): ReadonlyMap<string, number> {
    return this.#last;
  }

  /** Positions with everything that travels beside them. */
  next(positions: readonly PartitionOffset[]): readonly PartitionOffset[] {
    const { runner, state, begins, config } = this.#options;
    const timed = withStreamTimes(positions, streamTimesNow(runner, state?.stores));
    const marked = withCommitMarks(begins.again?.withMarks(timed) ?? timed, this.#before);
    return withVersion(marked, config.version, config.applicationId);
  }

  committed(positions: readonly PartitionOffset[]): void {
    this.#last = offsetsOf(positions);
  }
}
