import {
  type Admin,
  type Membership,
  type PartitionOffset,
  partitionKey,
  type TopicPartition,
} from '../../broker/port.js';
import type { SubTopology } from '../../graph/graph.js';
import type { Clock, Logger } from '../../model/ports.js';
import type { Metrics } from '../config/metrics.js';
import { textOf } from '../config/offset-texts.js';
import { isPassing } from '../config/retry.js';
import { SharedAnswer } from '../config/shared-answer.js';
import { declaredNodes, type PlannedTask, type PlannedTopology } from '../topics/planned-tasks.js';
import { sourcePartitions } from '../topics/sources.js';
import type { TopicCounts } from '../topics/topics.js';
import { CatchUp } from './catch-up.js';
import { type Companions, companionsOf } from './companions.js';

/** How often a waiting task checks again, if no task of this process has committed meanwhile. */
const LOOK_AGAIN_MS = 50;
/**
 * After a pause in the checks of this length, the time for {@link SLOW_MS} starts again: nothing was waited
 * for.
 */
const NOT_WATCHED_MS = 5_000;
/** A task that is behind and commits nothing for this long is reported, and again after each such time. */
const SLOW_MS = 300_000;

/** How a task is aligned in time with other tasks. */
export type Role = 'alone' | 'watched' | 'waiting';

/** The progress of a task, according to its last commit. */
export interface Standing {
  /** Whether it has unprocessed records, or has not committed yet where it begins. */
  readonly isBehind: boolean;
  /** All of its unread records have at least this event time, unless they are out of order. */
  readonly time: number;
}

export interface View {
  readonly standings: ReadonlyMap<string, Standing>;
  /** The ends of the partitions in this view. */
  readonly ends: ReadonlyMap<string, PartitionOffset>;
}

export interface AlignmentOptions {
  readonly ports: {
    readonly admin: Admin;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly metrics: Metrics;
  };
  /** Undefined: the process is in no group at the moment. */
  readonly membership: () => Membership | undefined;
  /** Whether a task belongs to this process and is restoring its state. */
  readonly isRestoring: (taskId: string) => boolean;
}

/** The last known progress of a task that others wait for. */
interface Watched {
  mark: string;
  since: number;
}

/**
 * Gives the tasks of an application the progress in time of other tasks, in whichever process they run.
 * {@link companionsOf} defines which tasks need it, and {@link PacedIntake} applies it.
 *
 * All of it is in the group. The offsets that a task has committed define what it has read. Their metadata
 * has its stream time (see stream-times.ts) and the time of its next record. No further messages are needed.
 * A task without unread records is not behind, whichever process has it. So no task waits for an idle task,
 * or for a process that is gone: its tasks belong to another process by then.
 *
 * The wait for a task that is behind has no limit, since the group has assigned it to a member. A limit would
 * turn slowness into late records. A warning reports the task, so that operators can find the cause.
 */
export class Alignment {
  /** The parts of the application in which new records wait for old ones. */
  readonly catchUp: CatchUp;
  readonly #options: AlignmentOptions;
  readonly #view = new SharedAnswer(() => this.#look());
  readonly #watched = new Map<string, Watched>();
  readonly #waiting = new Set<() => void>();
  #companions: ReadonlyMap<string, Companions> = new Map();
  #topics: TopicCounts | undefined;
  #planned: ReadonlyMap<string, PlannedTask> = new Map();
  /** Sub-topologies that others wait for. */
  #waitedFor: ReadonlySet<string> = new Set();
  #partitions: readonly TopicPartition[] = [];
  #tasks: readonly (readonly [id: string, sources: readonly TopicPartition[]])[] = [];
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(options: AlignmentOptions) {
    this.#options = options;
    this.catchUp = new CatchUp(options);
  }

  get now(): number {
    return this.#options.ports.clock.monotonic();
  }

  /** Whether a task of this process waits for others. */
  get isAwaited(): boolean {
    return this.#waiting.size > 0;
  }

  /** Sets the tasks, and which of them are aligned with each other. */
  plan(plan: PlannedTopology): void {
    const { topology, tasks: planned, topics, prefix } = plan;
    this.catchUp.plan(plan);
    const companions = companionsOf(topology.graph, declaredNodes(topology).processors);
    this.#companions = companions;
    this.#planned = planned;
    this.#topics = topics;
    // Waiting tasks are checked, too: records that others wrote for them must be read before others go on.
    this.#tasks = [...planned.values()]
      .filter(({ subTopology }) => companions.has(subTopology.id))
      .map(({ id, subTopology, partition }) => [id, sourcePartitions(subTopology, prefix, partition, topics)]);
    this.#waitedFor = new Set(
      [...companions].flatMap(([id, { subTopologies }]) =>
        subTopologies.map((one) => one.id).filter((one) => one !== id),
      ),
    );
    this.#partitions = this.#tasks.flatMap(([, sources]) => sources);
  }

  /**
   * Whether topics no longer have the planned numbers of partitions, or the cluster does not answer. Asks
   * only if some sub-topologies are aligned.
   */
  async isOutdated(): Promise<boolean> {
    const names = [...new Set(this.#partitions.map(({ topic }) => topic))];
    if (names.length === 0) return false;
    try {
      const found = await this.#options.ports.admin.describeTopics(names);
      return found.some(({ name, partitions }) => partitions !== this.#topics?.count(name));
    } catch (error) {
      if (!isPassing(error)) throw error;
      return true;
    }
  }

  /** The other tasks that this task is aligned with; none: it runs at its own pace. */
  othersOf({ id, subTopology }: Pick<PlannedTask, 'id' | 'subTopology'>): readonly string[] {
    const companions = this.#companions.get(subTopology.id);
    const ids = new Set(companions?.subTopologies.map((one) => one.id));
    return [...this.#planned.values()].flatMap((task) =>
      ids.has(task.subTopology.id) && task.id !== id ? [task.id] : [],
    );
  }

  /**
   * Whether a task waits for others, or others for it. This can change: a topic of one partition may get
   * another.
   */
  roleOf(task: Pick<PlannedTask, 'id' | 'subTopology'>): Role {
    if (this.othersOf(task).length > 0) return 'waiting';
    return this.#waitedFor.has(task.subTopology.id) ? 'watched' : 'alone';
  }

  /** The next moment at which something becomes final where the records of a sub-topology meet others. */
  nextClosing({ id }: Pick<SubTopology, 'id'>, time: number): number {
    return this.#companions.get(id)?.nextClosing(time) ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Progress of all tasks, no older than this call; undefined if the cluster does not answer. Callers that
   * ask meanwhile share the answer.
   */
  view(): Promise<View | undefined> {
    return this.#view.get();
  }

  /** Wakes all waiting tasks: a task of this process has committed, or there is other work. */
  wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  /** Counts that a task waits. */
  waits(): void {
    this.#options.ports.metrics.count('alignment', 'waits');
  }

  /** Waits for this long at most, or until something may have changed. */
  wait(maxMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        this.#waiting.delete(done);
        resolve();
      };
      const cancel = this.#options.ports.clock.after(Math.min(maxMs, LOOK_AGAIN_MS), done);
      this.#waiting.add(done);
    });
  }

  async #look(): Promise<View | undefined> {
    const { ports } = this.#options;
    const membership = this.#options.membership();
    if (membership === undefined) return undefined;
    try {
      // In this order: committed records have been written, so they are before the ends that are fetched
      // next.
      const committed = byKey(await membership.committed(this.#partitions));
      const ends = byKey(await ports.admin.latestOffsets(this.#partitions));
      const { now, catchUp } = this;
      if (now - this.#lookedAt > NOT_WATCHED_MS) for (const watched of this.#watched.values()) watched.since = now;
      this.#lookedAt = now;
      const standings = new Map(
        this.#tasks.map(([id, sources]) => [
          id,
          // Records that are held back count for no task yet.
          standingOf(sources, committed, (at, known) =>
            Math.min(ends.get(partitionKey(at.topic, at.partition))?.offset ?? 0, catchUp.readTo(id, at, known)),
          ),
        ]),
      );
      const behind = [...standings].filter(([, { isBehind }]) => isBehind);
      const lowest = Math.min(...behind.map(([, { time }]) => time));
      // Only tasks with the lowest time: one that is further ahead may be waiting itself.
      for (const [id, standing] of behind) if (standing.time === lowest) this.#watch(id, standing);
      return { standings, ends };
    } catch (error) {
      if (!isPassing(error)) throw error;
      return undefined;
    }
  }

  /** Warns of a task that is behind and makes no progress. */
  #watch(id: string, { mark, time }: Standing & { readonly mark: string }): void {
    const { ports, isRestoring } = this.#options;
    const { now } = this;
    const watched = this.#watched.get(id) ?? { mark, since: now };
    this.#watched.set(id, watched);
    if (watched.mark !== mark || isRestoring(id)) {
      watched.mark = mark;
      watched.since = now;
    }
    if (now - watched.since < SLOW_MS) return;
    watched.since = now;
    ports.metrics.count('alignment', 'slow');
    ports.logger.warn(
      { task: id, time },
      `task ${id} has records to read and has committed nothing for ${SLOW_MS / 60_000} min: the others wait for it, so that nothing it sends to them is late. Find out what delays it`,
    );
  }
}

function standingOf(
  sources: readonly TopicPartition[],
  committed: ReadonlyMap<string, PartitionOffset>,
  endOf: (partition: TopicPartition, at: PartitionOffset | undefined) => number,
): Standing & { readonly mark: string } {
  let isBehind = false;
  let time = Number.NEGATIVE_INFINITY;
  let mark = '';
  for (const source of sources) {
    const at = committed.get(partitionKey(source.topic, source.partition));
    // Its beginning is unknown until it has committed that.
    if ((at?.offset ?? 0) < endOf(source, at)) isBehind = true;
    mark += `${at?.offset} ${at?.metadata} `;
    const { task, next } = textOf(at?.metadata);
    // Another program may have written other metadata there.
    for (const moment of [task, next]) if (typeof moment === 'number' && moment > time) time = moment;
  }
  return { isBehind, time, mark };
}

const byKey = (offsets: readonly PartitionOffset[]): ReadonlyMap<string, PartitionOffset> =>
  new Map(offsets.map((offset) => [partitionKey(offset.topic, offset.partition), offset]));
