import {
  type Admin,
  type Membership,
  type PartitionOffset,
  partitionKey,
  type TopicPartition,
} from '../broker/port.js';
import type { Graph, SubTopology } from '../graph/graph.js';
import { repartitionTopic } from '../graph/naming.js';
import type { Logger } from '../model/ports.js';
import type { PlannedTask, PlannedTopology } from './planned-tasks.js';
import { type EffectsMode, isQuietIn, markOf, type ResetMark } from './reset-marks.js';
import { isPassing } from './retry.js';
import { SharedAnswer } from './shared-answer.js';
import { sourcePartitions } from './sources.js';
import { stopped } from './stopped.js';

export interface CatchUpOptions {
  readonly ports: { readonly admin: Admin; readonly logger: Logger };
  /** Undefined: the process is in no group at the moment. */
  readonly membership: () => Membership | undefined;
}

/**
 * Tasks between which records go, by way of repartition topics: they catch up together. Where there are no
 * such topics, each task is one for itself.
 */
interface Part {
  readonly name: string;
  readonly partitions: readonly TopicPartition[];
  /** The repartition topics among them. */
  readonly internal: ReadonlySet<string>;
  readonly isOneTask: boolean;
  /** What the group has committed of the partitions. */
  readonly committed: SharedAnswer<readonly PartitionOffset[]>;
}

/**
 * The time in which a part of the application processes again what a reset or a promotion has put back:
 * everything that had been processed before, and nothing else. It is over when all of that is through, in
 * every task of the part and in the repartition topics between them. New records wait for it (see
 * catch-up-gate.ts), or what follows from them would be written of stores that are not whole yet, and what
 * old records make of it later would be kept silent.
 *
 * A task says that it is quiet by committing the same positions twice. Under exactly_once a transaction can
 * be committed, and its records not be seen in all partitions yet: the next one begins only when they are. So
 * whoever sees that all are quiet sees all that they have written.
 *
 * All of it is in the group, so it does not matter who is restarted when: each position of a source has a
 * mark that says up to where its records are old. Who finds that it is over says so with its next commit. Who
 * begins before that finds it once more: nothing old is left, and who asks waits with what is new.
 */
export class CatchUpPhase {
  readonly id: string;
  /** What becomes of what old records cause. */
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

  /** Up to where a partition may be read, given what is committed of it. */
  readTo({ topic }: Pick<TopicPartition, 'topic'>, at: PartitionOffset | undefined): number {
    if (this.#isOver || this.#part.internal.has(topic)) return Number.POSITIVE_INFINITY;
    const mark = at && markOf(at);
    // What has no mark was not processed before: all of it is new.
    return Math.max(at?.offset ?? 0, mark !== undefined && isOpen(mark) ? mark.until : 0);
  }

  /**
   * Asks the group whether it is over; no, also if the cluster does not say. Those who ask meanwhile share
   * the answer.
   */
  async look(): Promise<boolean> {
    if (!this.#isOver && (await this.#answer.get()) && !this.#isOver) {
      this.#isOver = true;
      const { name } = this.#part;
      this.#options.ports.logger.info({ part: name, reset: this.id }, `${name}: what was processed before is through`);
    }
    return this.#isOver;
  }

  async #look(): Promise<boolean> {
    const { partitions, internal } = this.#part;
    const { ports, membership } = this.#options;
    if (membership() === undefined) return false;
    try {
      // In this order: who has committed has written before, up to the ends that are asked for next.
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

/** Which parts of an application catch up. */
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
      // Not those that are certain: among so many, some transaction is always under way. What is older says
      // less.
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
   * The phase that a task is in, which has committed that; undefined: none, almost always. Rejects as
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
      const text = `${name}: new records wait until what was processed before is processed again`;
      this.#options.ports.logger.info({ part: name, reset: open.id }, text);
    }
    return phase;
  }

  /** Up to where a task may read a partition, as far as this process knows. */
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
 * Whether a position of a source says that what comes before `until` is not known to be through everywhere.
 * What repartition topics say of themselves counts for nothing: earlier versions have never taken it back.
 */
const isOpen = ({ effects, marked, over }: ResetMark): boolean => effects !== 'live' && !marked && !over;

const isOverBy = (at: PartitionOffset, id: string): boolean => {
  const mark = markOf(at);
  return mark?.over === true && mark.id === id;
};

/** Sub-topologies that write to a repartition topic stand together with those that read it. */
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
