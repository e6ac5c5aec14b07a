import {
  type Admin,
  type Membership,
  type PartitionOffset,
  partitionKey,
  type TopicPartition,
} from '../broker/port.js';
import type { SubTopology } from '../graph/graph.js';
import type { Clock, Logger } from '../model/ports.js';
import { CatchUp } from './catch-up.js';
import { type Companions, companionsOf } from './companions.js';
import type { Metrics } from './metrics.js';
import { textOf } from './offset-texts.js';
import { declaredNodes, type PlannedTask, type PlannedTopology } from './planned-tasks.js';
import { isPassing } from './retry.js';
import { SharedAnswer } from './shared-answer.js';
import { sourcePartitions } from './sources.js';
import type { TopicCounts } from './topics.js';

/** How often somebody who waits looks again, if nobody of this process has committed meanwhile. */
const LOOK_AGAIN_MS = 50;
/** Whoever was not looked at for so long was not waited for. */
const NOT_WATCHED_MS = 5_000;
/** A task that is behind and has committed nothing for so long is told of, and again after as long. */
const SLOW_MS = 300_000;

/** What a task has to do with the time of others. */
export type Role = 'alone' | 'watched' | 'waiting';

/** Where a task is, as its last commit says. */
export interface Standing {
  /** Whether records are known to exist that it has not processed, or it has not said where it begins. */
  readonly isBehind: boolean;
  /** Nothing that it has still to read happened before, but for what lies out of order. */
  readonly time: number;
}

export interface View {
  readonly standings: ReadonlyMap<string, Standing>;
  /** Ends of the partitions that were looked at. */
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
  /** Whether a task is of this process, and reads its state at the moment. */
  readonly isRestoring: (taskId: string) => boolean;
}

/** What is known of one that is waited for. */
interface Watched {
  mark: string;
  since: number;
}

/**
 * Lets the tasks of an application know how far the others are in time, whichever process they are in: see
 * {@link companionsOf} for who has to know, and {@link PacedIntake} for what a task makes of it.
 *
 * All of it is in the group: the offsets that a task has committed say what it has read, the text beside them
 * which stream time it has (see stream-times.ts) and when its next record happened. Nothing is sent for it. A
 * task without records that it has not read is not behind, whoever has it; so nobody waits for who is idle or
 * for a process that is gone, since its tasks are another's by then.
 *
 * Who is behind is waited for without a bound, since the group has given its task to a member: a bound would
 * make late records of slowness. It is told of, so that somebody looks what holds it up.
 */
export class Alignment {
  /** Who has old records left, for which new ones wait. */
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

  /** Which tasks there are, and who keeps together. */
  plan(plan: PlannedTopology): void {
    const { topology, tasks: planned, topics, prefix } = plan;
    this.catchUp.plan(plan);
    const companions = companionsOf(topology.graph, declaredNodes(topology).processors);
    this.#companions = companions;
    this.#planned = planned;
    this.#topics = topics;
    // Those that wait are looked at, too: what was written to them has to be read before they go on.
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
   * Whether topics have other numbers of partitions than were planned with, or it cannot be told. Asks only
   * where somebody keeps together.
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

  /** The others that a task keeps together with; none: it goes on as it likes. */
  othersOf({ id, subTopology }: Pick<PlannedTask, 'id' | 'subTopology'>): readonly string[] {
    const companions = this.#companions.get(subTopology.id);
    const ids = new Set(companions?.subTopologies.map((one) => one.id));
    return [...this.#planned.values()].flatMap((task) =>
      ids.has(task.subTopology.id) && task.id !== id ? [task.id] : [],
    );
  }

  /**
   * Whether a task waits for others, or others for it. It may become so: a topic of one partition may get
   * another.
   */
  roleOf(task: Pick<PlannedTask, 'id' | 'subTopology'>): Role {
    if (this.othersOf(task).length > 0) return 'waiting';
    return this.#waitedFor.has(task.subTopology.id) ? 'watched' : 'alone';
  }

  /** When something becomes final next where the records of a sub-topology meet those of others. */
  nextClosing({ id }: Pick<SubTopology, 'id'>, time: number): number {
    return this.#companions.get(id)?.nextClosing(time) ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Where all are, no earlier than now; undefined if the cluster does not say. Those who ask meanwhile share
   * the answer.
   */
  view(): Promise<View | undefined> {
    return this.#view.get();
  }

  /**
   * Ends the waiting of those who wait: a task of this process has committed, or something else is to be
   * done.
   */
  wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  /** Counts that a task waits. */
  waits(): void {
    this.#options.ports.metrics.count('alignment', 'waits');
  }

  /** Until that long, or until something may be otherwise. */
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
      // In this order: what is committed has been written, and is before the ends that are asked for next.
      const committed = byKey(await membership.committed(this.#partitions));
      const ends = byKey(await ports.admin.latestOffsets(this.#partitions));
      const { now, catchUp } = this;
      if (now - this.#lookedAt > NOT_WATCHED_MS) for (const watched of this.#watched.values()) watched.since = now;
      this.#lookedAt = now;
      const standings = new Map(
        this.#tasks.map(([id, sources]) => [
          id,
          // What is held back is nobody's yet.
          standingOf(sources, committed, (at, known) =>
            Math.min(ends.get(partitionKey(at.topic, at.partition))?.offset ?? 0, catchUp.readTo(id, at, known)),
          ),
        ]),
      );
      const behind = [...standings].filter(([, { isBehind }]) => isBehind);
      const lowest = Math.min(...behind.map(([, { time }]) => time));
      // Who is further may be one that waits itself.
      for (const [id, standing] of behind) if (standing.time === lowest) this.#watch(id, standing);
      return { standings, ends };
    } catch (error) {
      if (!isPassing(error)) throw error;
      return undefined;
    }
  }

  /** Tells of a task that is behind and does not move. */
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
      `task ${id} has records to read and has committed nothing for ${SLOW_MS / 60_000} min: the others wait for it, so that nothing it sends to them is late. Look at what holds it up`,
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
    // Where it begins is not known before it has committed that.
    if ((at?.offset ?? 0) < endOf(source, at)) isBehind = true;
    mark += `${at?.offset} ${at?.metadata} `;
    const { task, next } = textOf(at?.metadata);
    // Somebody else may have written another text there.
    for (const moment of [task, next]) if (typeof moment === 'number' && moment > time) time = moment;
  }
  return { isBehind, time, mark };
}

const byKey = (offsets: readonly PartitionOffset[]): ReadonlyMap<string, PartitionOffset> =>
  new Map(offsets.map((offset) => [partitionKey(offset.topic, offset.partition), offset]));
