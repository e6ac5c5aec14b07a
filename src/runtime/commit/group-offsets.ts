import type { PartitionOffset } from '../../broker/port.js';
import type { TaskState } from '../../state/store/task-state.js';
import type { BatchRunner } from '../batch/batch-runner.js';
import { withApplication } from '../config/application-marks.js';
import type { EngineConfig } from '../config/config.js';
import { type BeforeCommit, beginningsOf, emptiedOf, withCommitMarks } from '../offsets/commit-marks.js';
import { streamTimesNow, withStreamTimes } from '../restore/stream-times.js';
import type { Beginning } from '../restore/where-to-begin.js';
import { offsetsOf } from '../topics/sources.js';

export interface GroupOffsetsOptions {
  readonly config: Pick<EngineConfig, 'version' | 'applicationId' | 'kept'>;
  readonly begins: Beginning;
  readonly runner: BatchRunner;
  readonly state: TaskState | undefined;
}

/** The committed offsets of a task, and the metadata that the task adds to them. */
export class GroupOffsets {
  readonly #options: GroupOffsetsOptions;
  readonly #before: BeforeCommit;
  #last: ReadonlyMap<string, number>;

  constructor(options: GroupOffsetsOptions) {
    this.#options = options;
    this.#last = offsetsOf(options.begins.positions);
    const { committed, positions, fedBy } = options.begins;
    // The state records a reset even if another program has set offsets since, without that metadata.
    const emptied = options.state?.checkpoint.emptied ?? emptiedOf(committed);
    this.#before = { emptied, begun: beginningsOf(committed, positions), fedBy };
  }

  /** Next offset of each source: the committed one, or the one at which the task began. */
  get last(): ReadonlyMap<string, number> {
    return this.#last;
  }

  /** Positions with all of their metadata. */
  next(positions: readonly PartitionOffset[]): readonly PartitionOffset[] {
    const { runner, state, begins, config } = this.#options;
    const timed = withStreamTimes(positions, streamTimesNow(runner, state?.stores));
    const marked = withCommitMarks(begins.again?.withMarks(timed) ?? timed, this.#before);
    return withApplication(runner.letters?.withMarks(marked) ?? marked, config);
  }

  committed(positions: readonly PartitionOffset[]): void {
    this.#last = offsetsOf(positions);
  }
}
