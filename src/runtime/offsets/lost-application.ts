import {
  type Broker,
  type Membership,
  type PartitionOffset,
  partitionKey,
  type TopicPartition,
} from '../../broker/port.js';
import { changelogTopic } from '../../graph/naming.js';
import type { Logger } from '../../model/ports.js';
import type { Checkpoint } from '../../state/directory/checkpoint.js';
import type { PlannedTask, PlannedTopology } from '../topics/planned-tasks.js';
import { offsetsOf, sourcePartitions } from '../topics/sources.js';
import { behindRows } from './behind-rows.js';
import { committedBefore, hasBegunAt, isOwnCommit, knownProgress, tellsOfAll } from './commit-marks.js';
import { firstBetween } from './first-between.js';

/** An application of which offsets are lost. */
export interface LostApplication {
  readonly plan: Pick<PlannedTopology, 'tasks' | 'topics' | 'prefix'>;
  readonly broker: Broker;
  readonly membership: Pick<Membership, 'committed'>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** What is known of lost offsets without reading the changelogs. */
export interface LostOffsetsKnown {
  /** Partitions that are to be set to these offsets or higher ones. */
  readonly behind?: readonly PartitionOffset[];
  /** Whether records of a source were processed although the group has no offset of it. */
  readonly isLost?: (source: TopicPartition) => boolean;
  /** What the directory of a task on this machine contains. */
  readonly onDisk?: (task: PlannedTask) => Promise<Contained | undefined>;
}

type Contained = Pick<Checkpoint, 'sources' | 'changelogs'>;

/** The offsets with which an application continues with the rows as they are. */
export interface WhereToGoOn {
  readonly behind: readonly PartitionOffset[];
  /** Partitions without a known position: `behind` has their ends. */
  readonly guessed: readonly TopicPartition[];
  /** Sources of tasks whose rows were all made from topics that the task does not read. */
  readonly moved: readonly TopicPartition[];
}

/** All partitions that tasks read. */
export const sourcesOf = ({ tasks, topics, prefix }: LostApplication['plan']): readonly TopicPartition[] =>
  [...tasks.values()].flatMap(({ subTopology, partition }) => sourcePartitions(subTopology, prefix, partition, topics));

/**
 * Finds the positions of a group that has lost offsets, of all partitions at once, so that one reset is
 * enough. Each is the highest of: what the caller knows, the committed offset, what was committed with other
 * sources, what the directories of this machine contain, and the records that the rows in the changelogs were
 * made from.
 */
export async function whereToGoOn(app: LostApplication, known: LostOffsetsKnown): Promise<WhereToGoOn> {
  const { plan, broker, membership, logger } = app;
  logger.info({}, 'the group has lost offsets: the changelogs are read to find out how far their rows go');
  const committed = byKey(await membership.committed(sourcesOf(plan)));
  const named = byKey(known.behind ?? []);
  const ends = byKey(await broker.admin.latestOffsets(sourcesOf(plan)));
  const firsts = byKey(await broker.admin.earliestOffsets(sourcesOf(plan)));
  const behind: PartitionOffset[] = [];
  const guessed: TopicPartition[] = [];
  const moved: TopicPartition[] = [];
  for (const task of plan.tasks.values()) {
    const sources = sourcePartitions(task.subTopology, plan.prefix, task.partition, plan.topics);
    const own = sources.flatMap((at) => committed.get(keyOf(at)) ?? []);
    const isSettled = (at: PartitionOffset): boolean => !hasBegunAt(at) && !named.has(keyOf(at));
    if (own.length === sources.length && own.every(isSettled)) continue;
    const told = await toldOf(app, known, task, { sources, own });
    if (told.isMoved) moved.push(...sources);
    const isRefused = sources.some((at) => named.has(keyOf(at)));
    for (const source of sources) {
      const key = keyOf(source);
      const at = committed.get(key);
      const to = told.of(source, named.get(key)?.offset);
      const end = ends.get(key)?.offset ?? 0;
      const first = firsts.get(key)?.offset ?? 0;
      if (!named.has(key) && !isToBePut(at, to, isRefused)) continue;
      // A row names one of several sources only. An offset that the task has committed tells of all.
      const isGuess = told.isDoubtful(source) && !(at && isOwnCommit(at));
      if (to !== undefined && !(isGuess && to < end))
        behind.push(await behindMarkers(broker, { ...source, offset: Math.max(to, first) }, end));
      else if (isGuess || known.isLost?.(source)) {
        behind.push({ ...source, offset: end });
        // Where there are no records, the position is known.
        if (first < end) guessed.push(source);
      }
    }
  }
  return { behind, guessed, moved };
}

/**
 * An offset that a task has committed itself stays. One that only says where it began is set if rows were
 * made from earlier records. If the task is refused, one that another program has set counts as lost.
 */
function isToBePut(at: PartitionOffset | undefined, to: number | undefined, isRefused: boolean): boolean {
  if (at === undefined) return true;
  return hasBegunAt(at) ? to !== undefined && to < at.offset : isRefused && !isOwnCommit(at);
}

interface Told {
  /** The lowest offset at which the task may have been in a source. Undefined: it is not known. */
  of(source: TopicPartition, named: number | undefined): number | undefined;
  /** Whether it may have been further: a row names only the last record that it was made from. */
  isDoubtful(source: TopicPartition): boolean;
  /** Whether it has rows, and all were made from topics that it does not read. */
  readonly isMoved: boolean;
}

async function toldOf(
  app: LostApplication,
  { onDisk }: LostOffsetsKnown,
  task: PlannedTask,
  { sources, own }: { readonly sources: readonly TopicPartition[]; readonly own: readonly PartitionOffset[] },
): Promise<Told> {
  const { plan, broker, signal } = app;
  const { partition } = task;
  const stores = task.stores.map(({ name }) => name);
  const isStateful = stores.length > 0;
  const rows = isStateful
    ? await behindRows(broker, { prefix: plan.prefix, partition, stores, committed: own, signal })
    : new Map<string, number>();
  const checkpoint = isStateful ? await onDisk?.(task) : undefined;
  const disk = new Map(Object.entries(checkpoint?.sources ?? {}));
  const isExact = checkpoint !== undefined && (await isCurrent(app, task, checkpoint));
  const beside = knownProgress(own);
  const committed = new Map(
    own.flatMap((at) => (hasBegunAt(at) ? [] : [[at.topic, Math.max(at.offset, committedBefore(at) ?? 0)] as const])),
  );
  const isOpen = rows.size > 0 && sources.length > 1 && !own.some(tellsOfAll);
  return {
    of({ topic }, named) {
      const all = [named, beside.get(topic), disk.get(topic), rows.get(topic), committed.get(topic)];
      const known = all.filter((offset) => offset !== undefined);
      return known.length === 0 ? undefined : Math.max(...known);
    },
    isDoubtful: ({ topic }) => isOpen && !(isExact && disk.has(topic)),
    isMoved: rows.size > 0 && !sources.some(({ topic }) => rows.has(topic)),
  };
}

/** Whether a directory contains everything that the changelogs do. */
async function isCurrent(
  { plan, broker }: LostApplication,
  { stores, partition }: PlannedTask,
  { changelogs }: Contained,
): Promise<boolean> {
  const positions = new Map(Object.entries(changelogs));
  const logs = stores.map(({ name }) => ({ topic: changelogTopic(plan.prefix, name), partition, name }));
  const firsts = offsetsOf(await broker.admin.earliestOffsets(logs));
  const read = logs.map(({ topic, name }) => ({
    ...{ topic, partition },
    offset: Math.max(positions.get(name) ?? 0, firsts.get(topic) ?? 0),
  }));
  return (await firstBetween(broker, read, await broker.admin.latestOffsets(read))) === undefined;
}

/**
 * The end if only markers of transactions follow: the directory of another machine may have that position.
 */
async function behindMarkers(broker: Broker, at: PartitionOffset, end: number): Promise<PartitionOffset> {
  const last = { ...at, offset: end };
  return at.offset < end && (await firstBetween(broker, [at], [last])) === undefined ? last : at;
}

const keyOf = ({ topic, partition }: TopicPartition): string => partitionKey(topic, partition);

const byKey = (offsets: readonly PartitionOffset[]): ReadonlyMap<string, PartitionOffset> =>
  new Map(offsets.map((at) => [keyOf(at), at]));
