import {
  type Admin,
  type Membership,
  type PartitionOffset,
  partitionKey,
  type TopicPartition,
} from '../../broker/port.js';
import type { Graph, SubTopology } from '../../graph/graph.js';
import { repartitionTopic } from '../../graph/naming.js';
import type { Logger } from '../../model/ports.js';
import { isPassing } from '../config/retry.js';
import { SharedAnswer } from '../config/shared-answer.js';
import { stopped } from '../config/stopped.js';
import { type EffectsMode, isQuietIn, markOf, type ResetMark } from '../offsets/reset-marks.js';
import type { PlannedTask, PlannedTopology } from '../topics/planned-tasks.js';
import { sourcePartitions } from '../topics/sources.js';

export interface CatchUpOptions {
  readonly ports: { readonly admin: Admin; readonly logger: Logger };
  /** Undefined: the process is in no group at the moment. */
  readonly membership: () => Membership | undefined;
}

/**
 * Tasks that exchange records through repartition topics: they catch up together. Without such topics, each
 * task is a part of its own.
 */
interface Part {
  readonly name: string;
  readonly partitions: readonly TopicPartition[];
  /** Its repartition topics. */
  readonly internal: ReadonlySet<string>;
  readonly isOneTask: boolean;
  /** The committed offsets of the partitions. */
  readonly committed: SharedAnswer<readonly PartitionOffset[]>;
}

/**
 * The phase in which a part of the application processes records again after a reset or a promotion has moved
 * its offsets back. It covers everything that had been processed before, and nothing else. It is over when
 * every task of the part has processed those records, and the repartition topics between the tasks are read
 * to the end.
 *
 * New records wait for that (see catch-up-gate.ts). Otherwise their results would be computed from incomplete
 * stores, and what old records make of them later would be suppressed.
 *
 * A task marks itself as quiet by committing the same positions twice. Under exactly_once, a transaction can
 * be committed while its records are not yet visible in all partitions; the next transaction begins only when
 * they are. So a process that sees all tasks quiet also sees all their records.
 *
 * All of it is in the group, so restarts do not matter. Each position of a source has a mark with the offset
 * at which its old records end. A task that finds the phase over marks that with its next commit. A task that
 * begins before that finds out again: no old records are left, and the check comes before any new record is
 * read.
 */
export class CatchUpPhase {
  readonly id: string;
  /** How effects of old records are treated. */
  readonly effects: EffectsMode;
  readonly #part: Part;
  readonly #options: CatchUpOptions;
  readonly #answer = new SharedAnswer(() => this.#look());
  #isOver: boolean;

  constructor(part: Part, { id, effects }: ResetMark, isOver: boolean, options: CatchUpOptions) {
    this.id = id;
    this.effects = effects;
    this.#part = part;
    this.#isOver = isOver;
    this.#options = options;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The offset up to which a partition may be read, given its committed position. */
  readTo({ topic }: Pick<TopicPartition, 'topic'>, at: PartitionOffset | undefined): number {
    if (this.#isOver || this.#part.internal.has(topic)) return Number.POSITIVE_INFINITY;
    const mark = at && markOf(at);
    // A partition without a mark was not processed before: all of its records are new.
    return Math.max(at?.offset ?? 0, mark !== undefined && isOpen(mark) ? mark.until : 0);
  }

  /**
   * Asks the group whether the phase is over; false also if the cluster does not answer. Callers that ask
   * meanwhile share the answer.
   */
  async look(): Promise<boolean> {
    if (!this.#isOver && (await this.#answer.get()) && !this.#isOver) {
      this.#isOver = true;
      const { name } = this.#part;
      this.#options.ports.logger.info(
        { part: name, reset: this.id },
        `${name}: all records that were processed before have been processed again`,
      );
    }
    return this.#isOver;
  }

  async #look(): Promise<boolean> {
    const { partitions, internal } = this.#part;
    const { ports, membership } = this.#options;
    if (membership() === undefined) return false;
    try {
      // In this order: a task writes before it commits, so its records are before the ends that are fetched
      // next.
      const committed = await this.#part.committed.get();
      if (committed.some((at) => isOverBy(at, this.id))) return true;
      if (committed.length < partitions.length || !committed.every((at) => isQuietIn(at, this.id))) return false;
      const ends = byKey(await ports.admin.latestOffsets(partitions));
      const known = byKey(committed);
      return partitions.every((partition) => {
        const key = partitionKey(partition.topic, partition.partition);
        const at = known.get(key);
        const end = ends.get(key)?.offset ?? 0;
        const last = internal.has(partition.topic)
          ? end
          : Math.min(end, at === undefined ? 0 : this.readTo(partition, at));
        return (at?.offset ?? 0) >= last;
      });
    } catch (error) {
      if (!isPassing(error)) throw error;
      return false;
    }
  }
}

/** The parts of an application that catch up. */
export class CatchUp {
  readonly #options: CatchUpOptions;
  /** By task. */
  #parts: ReadonlyMap<string, Part> = new Map();
  /** By part. */
  readonly #phases = new Map<string, CatchUpPhase>();

  constructor(options: CatchUpOptions) {
    this.#options = options;
  }

  plan({ topology, tasks: planned, topics, prefix }: PlannedTopology): void {
    const parts = new Map<string, Part>();
    const add = (name: string, tasks: readonly PlannedTask[]): void => {
      const partitions = tasks.flatMap((task) => sourcePartitions(task.subTopology, prefix, task.partition, topics));
      const names = tasks.flatMap(({ subTopology }) => subTopology.repartitions);
      const internal = new Set(names.map((each) => repartitionTopic(prefix, each)));
      const keys = new Set(partitions.map((at) => partitionKey(at.topic, at.partition)));
      // Not the offsets that are certain: among this many, some transaction is always open. An older position
      // only claims less progress.
      const committed = new SharedAnswer(async () =>
        (await this.#committed()).filter((at) => keys.has(partitionKey(at.topic, at.partition))),
      );
      const part = { name, partitions, internal, committed, isOneTask: internal.size === 0 };
      for (const { id } of tasks) parts.set(id, part);
    };
    for (const together of connected(topology.graph)) {
      const tasks = [...planned.values()].filter(({ subTopology }) => together.some(({ id }) => id === subTopology.id));
      if (together.some(({ repartitions }) => repartitions.length > 0))
        add(`sub-topologies ${together.map(({ id }) => id).join(', ')}`, tasks);
      else for (const task of tasks) add(`task ${task.id}`, [task]);
    }
    this.#parts = parts;
  }

  /**
   * The phase of a task that has committed `own`; undefined: none, as is almost always the case. Rejects as
   * `groupOffsets` does.
   */
  async phaseOf({ id }: Pick<PlannedTask, 'id'>, own: readonly PartitionOffset[]): Promise<CatchUpPhase | undefined> {
    const part = this.#parts.get(id);
    if (part === undefined) return undefined;
    const committed = part.isOneTask ? own : await part.committed.get();
    const open = committed.map(markOf).find((mark) => mark !== undefined && isOpen(mark));
    const known = this.#phases.get(part.name);
    if (open === undefined) {
      this.#phases.delete(part.name);
      return undefined;
    }
    if (known?.id === open.id) return known;
    const isOver = committed.some((at) => isOverBy(at, open.id));
    const phase = new CatchUpPhase(part, open, isOver, this.#options);
    this.#phases.set(part.name, phase);
    if (!isOver) {
      const { name } = part;
      const text = `${name}: new records wait until all records that were processed before are processed again`;
      this.#options.ports.logger.info({ part: name, reset: open.id }, text);
    }
    return phase;
  }

  /** The offset up to which a task may read a partition, as far as this process has seen. */
  readTo(task: string, partition: TopicPartition, at: PartitionOffset | undefined): number {
    const part = this.#parts.get(task);
    const phase = part && this.#phases.get(part.name);
    return phase?.readTo(partition, at) ?? Number.POSITIVE_INFINITY;
  }

  async #committed(): Promise<readonly PartitionOffset[]> {
    const { ports, membership } = this.#options;
    const groupId = membership()?.groupId;
    if (groupId === undefined) throw stopped('the process is out of its group', 'the look at what it has committed');
    return ports.admin.groupOffsets(groupId);
  }
}

/**
 * Whether a source position says that the records before `until` may not all be processed yet. Marks on
 * repartition topics are ignored, because earlier versions never removed them.
 */
const isOpen = ({ effects, marked, over }: ResetMark): boolean => effects !== 'live' && !marked && !over;

const isOverBy = (at: PartitionOffset, id: string): boolean => {
  const mark = markOf(at);
  return mark?.over === true && mark.id === id;
};

/** Groups sub-topologies that write to a repartition topic with those that read it. */
function connected({ subTopologies, nodes, edges }: Graph): readonly (readonly SubTopology[])[] {
  let parts: readonly (readonly SubTopology[])[] = subTopologies.map((one) => [one]);
  for (const node of nodes) {
    if (node.kind !== 'repartition') continue;
    const from = edges.filter(({ to }) => to === node.id).map((edge) => edge.from);
    const isAtIt = ({ repartitions, nodes: own }: SubTopology): boolean =>
      repartitions.includes(node.name) || from.some((id) => own.includes(id));
    const joined = parts.filter((part) => part.some(isAtIt));
    if (joined.length > 1) parts = [...parts.filter((part) => !joined.includes(part)), joined.flat()];
  }
  return parts;
}

const byKey = (offsets: readonly PartitionOffset[]): ReadonlyMap<string, PartitionOffset> =>
  new Map(offsets.map((offset) => [partitionKey(offset.topic, offset.partition), offset]));
