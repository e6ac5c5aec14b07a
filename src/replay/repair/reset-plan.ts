import { join } from 'node:path';
import { type Broker, type PartitionOffset, partitionKey, type TopicPartition } from '../../broker/port.js';
import type { Topology } from '../../dsl/contract/processor.js';
import { changelogTopic, repartitionTopic } from '../../graph/naming.js';
import { StreamsError } from '../../model/errors.js';
import type { ApplicationVersion } from '../../runtime/config/application-version.js';
import { type EffectsMode, markOf } from '../../runtime/offsets/reset-marks.js';
import { withLettersThatExist } from '../../runtime/redrive/with-letters.js';
import { plannedTasks, tasksOnDisk } from '../../runtime/topics/planned-tasks.js';
import type { Moment } from '../slice/moment.js';
import { cutSlice } from '../slice/slice.js';
import { countTopics, inputTopics, partitionsOf, resolveApplication } from '../slice/topics.js';
import { firstUnread } from './first-unread.js';
import { inputMoves } from './input-moves.js';
import { furthest, type ResetMove } from './reset-move.js';

export interface ResetOptions {
  readonly broker: Broker;
  /** Default: the topology's name. Only this group: never others with a name that begins with it. */
  readonly applicationId?: string;
  /**
   * Where to read the sources from. An `offset:` moves only the partitions that it names, also those of
   * repartition topics and internal inputs.
   */
  readonly to: Moment;
  /** The state directory of this machine. */
  readonly stateDirectory: string;
  /**
   * `delete`: the stores begin empty, here and in their changelogs. `keep`: they stay as they are, and
   * records that are processed a second time change them again. Default: `delete` if any partition goes back,
   * else `keep`.
   */
  readonly stores?: 'keep' | 'delete';
  /**
   * `delete`: repartition topics are deleted. Default: they stay; if stores are deleted, their unread records
   * are skipped.
   */
  readonly internalTopics?: 'keep' | 'delete';
  /** How to treat outputs and calls of records that are processed a second time. Default `silent`. */
  readonly effects?: EffectsMode;
  /** The time from which `ago:` counts back, in milliseconds since the epoch. */
  readonly now: number;
}

/** What exactly a reset will do. */
export interface ResetPlan {
  /** Its name in marks, records and messages. */
  readonly id: string;
  readonly topology: string;
  readonly applicationId: string;
  /** The version with these stores and internal topics; a reset does not change it. */
  readonly version: ApplicationVersion;
  /** Id of the interrupted reset that this one continues. */
  readonly resumes: string | null;
  readonly moves: readonly ResetMove[];
  readonly effects: EffectsMode;
  readonly stores: {
    readonly action: 'keep' | 'delete';
    readonly names: readonly string[];
    /** On this machine. */
    readonly directories: readonly string[];
    readonly changelogs: readonly string[];
  };
  readonly repartitions: {
    readonly action: 'keep' | 'skip' | 'delete';
    /** Deleted topics are created again, empty and with as many partitions. */
    readonly topics: readonly { readonly name: string; readonly partitions: number }[];
  };
  /** Partitions of repartition topics. */
  readonly internalMoves: readonly ResetMove[];
  readonly warnings: readonly string[];
}

/**
 * Plans a reset, and changes nothing. The plan includes partitions with unchanged positions.
 *
 * Errors: APPLICATION_RUNNING while a member of the group is alive, TOPIC_UNKNOWN, OFFSET_OUT_OF_RANGE,
 * USAGE, CONFIG_INVALID.
 */
export async function planReset(declared: Topology, options: ResetOptions): Promise<ResetPlan> {
  const { broker, to, now, effects = 'silent' } = options;
  const config = await resolveApplication(declared, broker, options.applicationId);
  const { applicationId, version } = config;
  const topology = await withLettersThatExist(declared, broker.admin, version.prefix);
  await checkStopped(broker, applicationId);
  const topics = await countTopics(broker.admin, topology, config);
  const sources = [...new Set(topology.graph.subTopologies.flatMap((sub) => sub.topics))].sort();
  const partitions = partitionsOf(sources, topics);
  const committed = new Map(
    (await broker.admin.groupOffsets(applicationId)).map((at) => [partitionKey(at.topic, at.partition), at]),
  );
  const unfinished = [...committed.values()].map(markOf).find((mark) => mark?.unfinished);
  const repartitions = topology.graph.subTopologies
    .flatMap((sub) => sub.repartitions.map((name) => repartitionTopic(version.prefix, name)))
    .sort();
  const existing = new Set((await broker.admin.describeTopics(repartitions)).map(({ name }) => name));
  const own = partitionsOf(
    repartitions.filter((name) => existing.has(name)),
    topics,
  );
  const inputs = partitionsOf(await inputTopics(topology, broker, version.prefix), topics);
  const isInput = new Set(inputs.map(({ topic }) => topic));
  const { moves, named: asked } = await movesTo(broker, {
    ...{ sources: partitions, internal: [...own, ...inputs] },
    ...{ committed, to, now },
  });
  const [named, namedInputs] = [
    asked.filter(({ topic }) => !isInput.has(topic)),
    asked.filter(({ topic }) => isInput.has(topic)),
  ];
  const back = [...moves, ...asked].some(({ from, to: target }) => from !== null && target < from);
  // An interrupted reset may have begun to delete the stores, so they cannot be kept.
  const action = unfinished && !unfinished.keeps ? 'delete' : (options.stores ?? (back ? 'delete' : 'keep'));
  const repartitionAction = options.internalTopics === 'delete' ? 'delete' : action === 'delete' ? 'skip' : 'keep';
  // An interrupted reset may have deleted some without creating them again.
  const present = repartitions.filter((name) => existing.has(name) || repartitionAction === 'delete');
  const planned = plannedTasks(topology, version.prefix, topics);
  const onDisk = await tasksOnDisk(planned.keys(), version.prefix, { stateDirectory: options.stateDirectory });
  const names = [...new Set([...planned.values()].flatMap(({ stores }) => stores.map(({ name }) => name)))].sort();
  const changelogs = names.map((name) => changelogTopic(version.prefix, name));
  const logged = new Set((await broker.admin.describeTopics(changelogs)).map(({ name }) => name));
  const again = action === 'delete';
  const { moves: inputMoved, trimmed } = await inputMoves(broker, {
    ...{ partitions: inputs, committed, moves, again },
    named: namedInputs,
  });
  const plan = {
    id: `${applicationId}-${new Date(now).toISOString().replaceAll(/[:.]/g, '-')}`,
    topology: topology.name,
    applicationId,
    version,
    resumes: unfinished?.id ?? null,
    moves: [...moves, ...inputMoved],
    effects,
    stores: {
      action,
      names,
      directories:
        action === 'keep' ? [] : [...onDisk].sort().map((task) => join(options.stateDirectory, version.prefix, task)),
      changelogs: action === 'keep' ? [] : changelogs.filter((name) => logged.has(name)),
    },
    repartitions: {
      action: repartitionAction,
      topics: present.map((name) => ({ name, partitions: topics.count(name) })),
    },
    internalMoves: await internalMoves(broker, {
      partitions: partitionsOf(present, topics),
      ...{ existing, committed, named },
      action: repartitionAction,
    }),
  } as const;
  const unread =
    repartitionAction === 'keep' ? undefined : await firstUnread(broker, [...existing], [...committed.values()]);
  return { ...plan, warnings: warningsOf(plan, { back, unread, named, trimmed: again ? trimmed : [] }) };
}

/** Errors: APPLICATION_RUNNING, because live members would continue with the group's tasks. */
export async function checkStopped(broker: Broker, applicationId: string): Promise<void> {
  const members = await broker.admin.groupMembers(applicationId);
  if (members.length === 0) return;
  throw new StreamsError('APPLICATION_RUNNING', {
    what: 'the application has members that are alive',
    at: `group ${applicationId}`,
    saw: members.join(', '),
    expected: 'none',
    action: 'Stop its processes. The brokers remove one that died when its session ends, after 10 s by default.',
  });
}

/** The moves of source partitions, and those of partitions of repartition topics that are named. */
async function movesTo(
  broker: Broker,
  {
    sources,
    internal,
    committed,
    to,
    now,
  }: {
    readonly sources: readonly TopicPartition[];
    readonly internal: readonly TopicPartition[];
    readonly committed: ReadonlyMap<string, PartitionOffset>;
    readonly to: Moment;
    readonly now: number;
  },
): Promise<{ readonly moves: readonly ResetMove[]; readonly named: readonly ResetMove[] }> {
  const keyOf = ({ topic, partition }: TopicPartition): string => partitionKey(topic, partition);
  const names = to.kind === 'offset' ? new Set(to.offsets.map(keyOf)) : undefined;
  const readable = names === undefined ? sources : [...sources, ...internal];
  const { parts } = await cutSlice(broker, readable, { from: to, until: { kind: 'latest' }, now });
  const isInternal = new Set(internal.map(keyOf));
  const moves = parts.flatMap((part): readonly ResetMove[] => {
    const { topic, partition, from: target, latest } = part;
    const at = committed.get(keyOf(part));
    const stays = names !== undefined && !names.has(keyOf(part));
    // Nothing was committed, and nothing will be: the configuration decides where this partition begins.
    if (stays && (!at || isInternal.has(keyOf(part)))) return [];
    return [{ topic, partition, from: furthest(at), to: stays && at ? at.offset : target, latest }];
  });
  return {
    moves: moves.filter((move) => !isInternal.has(keyOf(move))),
    named: moves.filter((move) => isInternal.has(keyOf(move))),
  };
}

async function internalMoves(
  broker: Broker,
  {
    partitions,
    existing,
    committed,
    named,
    action,
  }: {
    readonly partitions: readonly TopicPartition[];
    readonly existing: ReadonlySet<string>;
    readonly committed: ReadonlyMap<string, PartitionOffset>;
    readonly named: readonly ResetMove[];
    readonly action: 'keep' | 'skip' | 'delete';
  },
): Promise<readonly ResetMove[]> {
  if (action === 'delete') checkNotNamed(named);
  const there = partitions.filter(({ topic }) => existing.has(topic));
  const byKey = (offsets: readonly PartitionOffset[]): ReadonlyMap<string, number> =>
    new Map(offsets.map((at) => [partitionKey(at.topic, at.partition), at.offset]));
  const firsts = byKey(await broker.admin.earliestOffsets(there));
  const latest = byKey(await broker.admin.latestOffsets(there));
  const targets = new Map(named.map((move) => [partitionKey(move.topic, move.partition), move.to]));
  return partitions.map(({ topic, partition }) => {
    const key = partitionKey(topic, partition);
    const from = committed.get(key)?.offset ?? null;
    const end = latest.get(key) ?? 0;
    // A partition without a position is read from its start, as it would be without a reset.
    const stays = action === 'skip' ? end : (from ?? firsts.get(key) ?? 0);
    return { topic, partition, from, to: action === 'delete' ? 0 : (targets.get(key) ?? stays), latest: end };
  });
}

/** USAGE: an offset of a topic that is about to be deleted. */
function checkNotNamed([move]: readonly ResetMove[]): void {
  if (move === undefined) return;
  throw new StreamsError('USAGE', {
    what: 'an offset is of a repartition topic that is to be deleted',
    saw: `${move.topic}[${move.partition}]`,
    expected: 'partitions of source topics',
    action: 'Leave it out, or keep the repartition topics.',
  });
}

function warningsOf(
  plan: Omit<ResetPlan, 'warnings'>,
  {
    back,
    unread,
    named,
    trimmed,
  }: {
    readonly back: boolean;
    readonly unread: string | undefined;
    readonly named: readonly ResetMove[];
    readonly trimmed: readonly PartitionOffset[];
  },
): readonly string[] {
  const { moves, stores, effects } = plan;
  const warnings: string[] = [];
  const skipped = [...moves, ...named.filter(({ from }) => from !== null)]
    .filter(({ from, to }) => to > (from ?? 0))
    .reduce((sum, { from, to }) => sum + to - (from ?? 0), 0);
  if (skipped > 0) warnings.push(`${skipped} records will never be processed`);
  if (stores.action === 'delete' && stores.names.length > 0 && moves.some(({ to }) => to > 0))
    warnings.push('the stores will hold only the results of records from these offsets on');
  if (stores.action === 'keep' && back && stores.names.length > 0)
    warnings.push('the stores keep what these records did the first time: folds count them twice');
  for (const { topic, partition, offset } of trimmed)
    warnings.push(
      `${topic}[${partition}] begins at offset ${offset}: what was noted before is noted again, at other places among the records`,
    );
  if (unread !== undefined)
    warnings.push(
      `unread records of repartition topics are skipped, from ${unread} on${effects === 'live' ? '' : ': their outputs and calls were never made, and will not be'}`,
    );
  return warnings;
}
