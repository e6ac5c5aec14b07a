import {
  type Admin,
  type Broker,
  type Membership,
  type PartitionOffset,
  partitionKey,
  type TopicPartition,
} from '../../broker/port.js';
import type { Graph, SubTopology } from '../../graph/graph.js';
import { changelogTopic, repartitionTopic } from '../../graph/naming.js';
import { checkpointOnDisk } from '../../state/directory/checkpoint-of.js';
import { withRetry } from '../config/retry.js';
import type { GroupMember } from '../group/group-member.js';
import { sourcePartitions } from '../topics/sources.js';
import type { TaskScope } from '../topics/task-scope.js';
import { fedOf, hasBegunAt, isOwnCommit, knownProgress } from './commit-marks.js';
import { fedTopics, readNames } from './feeding.js';
import { firstBetween } from './first-between.js';
import { type LostApplication, type LostOffsetsKnown, sourcesOf, whereToGoOn } from './lost-application.js';
import { OffsetsLost } from './lost-offsets.js';

export interface ApplicationOptions extends Pick<TaskScope, 'topology' | 'config' | 'ports' | 'signal'> {
  readonly tasks: LostApplication['plan']['tasks'];
  readonly topics: LostApplication['plan']['topics'];
  readonly group: Pick<GroupMember, 'membership'> | undefined;
  /** Tasks that have a directory here. */
  readonly onDisk: ReadonlySet<string>;
}

/**
 * {@link checkFeeders}, with attempts while the cluster is away. Undefined: the process is out of its group.
 */
export function tasksInDoubt(options: ApplicationOptions): Promise<ReadonlySet<string> | undefined> {
  const { topology, config, ports, signal, tasks, topics, group } = options;
  const plan = { tasks, topics, prefix: config.version.prefix };
  const { logger } = config;
  return withRetry('looking at the offsets of the group', { clock: ports.clock, logger, signal }, async () => {
    const membership = group?.membership;
    return membership && checkFeeders({ ...options, plan, membership, graph: topology.graph });
  });
}

/**
 * Throws the error of a task that could not be opened. If the group's offsets do not match its rows, the
 * error says of all partitions of the application where they are to be put, so that one reset is enough. The
 * tasks are closed first, because their directories are read.
 */
export async function refuse(
  error: unknown,
  { config, ports, signal, tasks, topics, group, onDisk }: ApplicationOptions,
  pool: { giveUp(): Promise<void> },
): Promise<never> {
  if (!(error instanceof OffsetsLost) || group?.membership === undefined) throw error;
  await pool.giveUp();
  const { prefix } = config.version;
  const { broker, clock } = ports;
  const { logger } = config;
  const known = { behind: error.behind, onDisk: directoriesOf({ ports, onDisk }, prefix) };
  const found = await withRetry('looking where the offsets were', { clock, logger, signal }, async () => {
    const membership = group?.membership;
    const goOn =
      membership && (await whereToGoOn({ plan: { tasks, topics, prefix }, broker, membership, signal, logger }, known));
    return goOn && { ...goOn, shorter: await shorterOf(broker.admin, goOn.behind) };
  });
  // Out of its group: the offsets cannot be read, and what is wrong is still to be said.
  throw found === undefined ? error : error.completed(found.behind, found.guessed, found.shorter);
}

/** The topics that end before what was read of them: they were created again. */
async function shorterOf(
  admin: Pick<Admin, 'latestOffsets'>,
  behind: readonly PartitionOffset[],
): Promise<readonly TopicPartition[]> {
  const ends = await admin.latestOffsets(behind);
  return behind.filter(({ offset }, i) => offset > (ends[i]?.offset ?? offset));
}

/** What the directories of tasks on this machine contain. */
const directoriesOf =
  (
    { ports, onDisk }: Pick<ApplicationOptions, 'ports' | 'onDisk'>,
    prefix: string,
  ): NonNullable<LostOffsetsKnown['onDisk']> =>
  async ({ id }) => {
    const at = { root: ports.stateDirectory, applicationId: prefix, taskId: id };
    return onDisk.has(id) ? checkpointOnDisk(ports.openDatabase, at) : undefined;
  };

interface CheckedApplication extends Omit<ApplicationOptions, 'tasks' | 'topics' | 'group' | 'topology'> {
  readonly plan: LostApplication['plan'];
  readonly membership: Membership;
  readonly graph: Graph;
}

/**
 * Checks the offsets of the whole application before any of its tasks runs. A task that writes to a
 * repartition topic may have no rows that say how far it was. But the rows behind that topic were made from
 * its records. So a sub-topology without offsets is not new if
 *
 * - the offsets of the repartition topic say that its records come from there; or
 * - those offsets say nothing, and the topic holds records, or has held some; or
 * - the group has no offset at all, and internal topics hold records, or have held some.
 *
 * Nor is a source without an offset, if the offsets that were committed with it say how far it was.
 *
 * STATE_MISMATCH if records of such a source would be read again or skipped: the rows behind it would be
 * wrong.
 *
 * Returns the tasks whose rows are still to be checked when they open, since the group does not say where
 * they are. What other tasks of the process write before that would be written again at each start.
 */
async function checkFeeders(app: CheckedApplication): Promise<ReadonlySet<string>> {
  const { plan, membership, graph } = app;
  const committed = await membership.committed(sourcesOf(plan));
  const feeding = graph.subTopologies.filter((one) => fedTopics(graph, plan.prefix, one).length > 0);
  const some = candidates(app, feeding, committed);
  if (some.length > 0 || committed.length === 0) await checkLost(app, some);
  return inDoubt(app, committed);
}

/** A sub-topology that writes to repartition topics, and those of its sources that have no offset. */
interface Candidate {
  readonly subTopology: SubTopology;
  /** Whether it has no offset at all. */
  readonly isWhole: boolean;
  readonly sources: readonly TopicPartition[];
}

function candidates(
  { plan }: CheckedApplication,
  feeding: readonly SubTopology[],
  committed: readonly PartitionOffset[],
): readonly Candidate[] {
  const known = new Map(committed.map((at) => [keyOf(at), at]));
  return feeding.flatMap((subTopology): Candidate[] => {
    const tasks = [...plan.tasks.values()].filter((task) => task.subTopology === subTopology);
    const all = tasks.map(({ partition }) => sourcePartitions(subTopology, plan.prefix, partition, plan.topics));
    const isWhole = all.flat().every((at) => !known.has(keyOf(at)));
    const sources = all.flatMap((own) => {
      const missing = own.filter((at) => !known.has(keyOf(at)));
      const told = knownProgress(own.flatMap((at) => known.get(keyOf(at)) ?? []));
      return isWhole ? missing : missing.filter(({ topic }) => told.has(topic));
    });
    return sources.length === 0 ? [] : [{ subTopology, isWhole, sources }];
  });
}

async function checkLost(app: CheckedApplication, some: readonly Candidate[]): Promise<void> {
  const { plan, membership, graph, config, ports } = app;
  const { broker } = ports;
  // In this order: a task commits before or together with what it writes there.
  const used = await usedTopics(app);
  const committed = await membership.committed(sourcesOf(plan));
  const isEmpty =
    committed.length === 0 && (await broker.admin.groupOffsets(config.applicationId)).every((at) => hasBegunAt(at));
  const lost = candidates(
    app,
    some.map(({ subTopology }) => subTopology),
    committed,
  ).filter(({ subTopology, isWhole }) => {
    if (!isWhole || (isEmpty && used.size > 0)) return true;
    const fed = fedTopics(graph, plan.prefix, subTopology);
    const told = committed.flatMap((at) => (fed.includes(at.topic) && fedOf(at)) || []);
    const isTold = committed.some((at) => fed.includes(at.topic) && fedOf(at) !== undefined);
    if (!isTold) return fed.some((topic) => used.has(topic));
    return readNames(subTopology, plan.prefix).some((name) => told.includes(name));
  });
  if (lost.length === 0 && !(isEmpty && used.size > 0)) return;
  const keys = new Set(lost.flatMap(({ sources }) => sources.map(keyOf)));
  const { behind, guessed, moved } = await whereToGoOn(
    { ...app, broker, logger: config.logger },
    {
      isLost: (source) => isEmpty || keys.has(keyOf(source)),
      onDisk: directoriesOf(app, plan.prefix),
    },
  );
  const isGuessed = new Set(guessed.map(keyOf));
  const done = new Map(behind.map((at) => [keyOf(at), isGuessed.has(keyOf(at)) ? undefined : at.offset]));
  const isOwn = (at: TopicPartition): boolean => graph.subTopologies.some(({ topics }) => topics.includes(at.topic));
  const begins = (source: TopicPartition, isWhole: boolean): Beginning =>
    isWhole && config.startFrom === 'latest' && isOwn(source) ? 'latest' : 'earliest';
  const judged = [
    ...lost.flatMap(({ subTopology, isWhole, sources }) => {
      const fed = fedTopics(graph, plan.prefix, subTopology).join(', ');
      return sources.map((source) => ({ source, begins: begins(source, isWhole), into: `went through ${fed}` }));
    }),
    ...(isEmpty ? moved : []).map((source) => ({ source, begins: begins(source, true), into: 'is in its stores' })),
  ];
  for (const { source, begins: from, into } of judged) {
    const saw = await problemOf(broker, source, { begins: from, behind: done.get(keyOf(source)) });
    if (saw === undefined) continue;
    throw new OffsetsLost(
      {
        what: `the group has no offset of ${source.topic}[${source.partition}] any more, and has processed its records: what follows from them ${into}`,
        at: `group ${config.applicationId}`,
        saw,
        expected: 'the offsets that the application has committed',
      },
      behind,
      guessed,
    );
  }
}

/** The internal topics that hold records or have held some. */
async function usedTopics({ plan, graph, ports }: CheckedApplication): Promise<ReadonlySet<string>> {
  const { broker } = ports;
  const names = graph.subTopologies.flatMap(({ repartitions, stores }) => [
    ...repartitions.map((name) => repartitionTopic(plan.prefix, name)),
    ...stores.map((name) => changelogTopic(plan.prefix, name)),
  ]);
  const used = new Set<string>();
  for (const { name, partitions: count } of await broker.admin.describeTopics(names)) {
    const partitions = Array.from({ length: count }, (_, partition) => ({ topic: name, partition }));
    const firsts = await broker.admin.earliestOffsets(partitions);
    // Deleted records were processed: see purge.ts. Those of an aborted transaction do not count.
    const isPurged = firsts.some(({ offset }) => offset > 0);
    if (isPurged || (await firstBetween(broker, firsts, await broker.admin.latestOffsets(partitions))) !== undefined)
      used.add(name);
  }
  return used;
}

type Beginning = 'earliest' | 'latest';

/**
 * What is wrong if a source is read from its start or its end: records would be processed a second time, or
 * skipped. Undefined: nothing is.
 *
 * @param behind How far it was. Undefined: it is not known.
 */
async function problemOf(
  broker: Broker,
  source: TopicPartition,
  { begins, behind }: { readonly begins: Beginning; readonly behind: number | undefined },
): Promise<string | undefined> {
  const [first = 0] = (await broker.admin.earliestOffsets([source])).map(({ offset }) => offset);
  const [end = 0] = (await broker.admin.latestOffsets([source])).map(({ offset }) => offset);
  const [from, to] =
    begins === 'earliest' ? [first, Math.min(behind ?? end, end)] : [Math.max(behind ?? 0, first), end];
  if (from >= to) return undefined;
  const { topic, partition } = source;
  // The marker of a transaction is no record.
  const record = await firstBetween(broker, [{ topic, partition, offset: from }], [{ topic, partition, offset: to }]);
  if (record === undefined) return undefined;
  return begins === 'earliest'
    ? `no committed offset; it would be read from offset ${first} on: records would count twice`
    : `no committed offset; it would be read from offset ${end} on: records may be skipped`;
}

/** Tasks that have rows, and a source without an offset that a task has committed. */
async function inDoubt(
  { plan, ports }: CheckedApplication,
  committed: readonly PartitionOffset[],
): Promise<ReadonlySet<string>> {
  const sure = new Set(committed.filter((at) => isOwnCommit(at) && !hasBegunAt(at)).map(keyOf));
  const isSure = (source: TopicPartition): boolean => sure.has(keyOf(source));
  const logs = [...plan.tasks.values()]
    .filter(
      ({ subTopology, partition }) => !sourcePartitions(subTopology, plan.prefix, partition, plan.topics).every(isSure),
    )
    .flatMap(({ id, stores, partition }) =>
      stores.map(({ name }) => ({ id, topic: changelogTopic(plan.prefix, name), partition })),
    );
  if (logs.length === 0) return new Set();
  const ends = await ports.broker.admin.latestOffsets(logs.map(({ topic, partition }) => ({ topic, partition })));
  const used = new Set(ends.filter(({ offset }) => offset > 0).map(keyOf));
  return new Set(logs.filter((log) => used.has(keyOf(log))).map(({ id }) => id));
}

const keyOf = ({ topic, partition }: TopicPartition): string => partitionKey(topic, partition);
