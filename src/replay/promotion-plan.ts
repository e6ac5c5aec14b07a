import type { Broker, PartitionOffset, TopicPartition } from '../broker/port.js';
import type { Topology } from '../dsl/processor.js';
import { repartitionTopic } from '../graph/naming.js';
import { StreamsError } from '../model/errors.js';
import type { ApplicationVersion } from '../runtime/application-version.js';
import { resolveConfig } from '../runtime/config.js';
import { type EffectsMode, markOf } from '../runtime/reset-marks.js';
import { firstBetween, firstUnread } from './first-unread.js';
import { checkStopped, furthest } from './reset-plan.js';
import {
  promotionUnfinished,
  type Retirement,
  type ShadowStatus,
  shadowOf,
  shadowStatus,
  unfinishedPromotion,
} from './shadow-status.js';
import { countTopics, ofGroup } from './topics.js';

export interface PromotionOptions {
  readonly broker: Broker;
  /** Default: the topology's name. Exactly this group, and its shadow's. */
  readonly applicationId?: string;
  /**
   * What becomes of outputs and calls of records that the version which is live has processed, and the other
   * one has not. Default `silent`: none is made twice.
   */
  readonly effects?: EffectsMode;
  /** Names the plan. Milliseconds since the epoch. */
  readonly now: number;
}

/** One source partition, and where both versions are in it. */
export interface TakeOver extends TopicPartition {
  /** Next record of the version that is live; null: it has committed none. */
  readonly live: number | null;
  /** Next record of the version that takes over: there the application goes on. */
  readonly next: number;
  /** Records before it were processed by a version that was live then. */
  readonly until: number;
}

/** What a promotion or a rollback will do, exactly. */
export interface PromotionPlan {
  readonly id: string;
  readonly kind: Retirement['kind'];
  readonly topology: string;
  readonly applicationId: string;
  /** Versions have changed places already; what an interrupted one has left is done. */
  readonly resumes: string | null;
  /** The version that takes over. */
  readonly version: ApplicationVersion;
  /** The version that is live, and is kept. */
  readonly retires: ApplicationVersion;
  readonly moves: readonly TakeOver[];
  /**
   * Of the repartition topics of the version that takes over. `until`: what is in them by now follows from
   * records that were processed by a version that was live then.
   */
  readonly internalMoves: readonly { readonly topic: string; readonly partition: number; readonly until: number }[];
  readonly effects: EffectsMode;
  /** Positions of both groups as they were: nothing is done if they have moved since. */
  readonly positions: { readonly live: readonly PartitionOffset[]; readonly shadow: readonly PartitionOffset[] };
}

/**
 * Says what putting the shadow of an application in its place would do, or, again, a version that a rollback
 * has taken out; changes nothing.
 *
 * Both must be stopped. The shadow may be behind: it then catches up first, and what follows from records
 * that the live version has processed is not written or called a second time. It must not be ahead
 * (SHADOW_AHEAD): outputs of records that only the shadow has processed would never be written. So stop the
 * shadow first, then the live version; and let that finish what is on its way through its repartition topics
 * (STATE_MISMATCH).
 *
 * Errors: APPLICATION_RUNNING, SHADOW_MISSING, SHADOW_AHEAD, STATE_MISMATCH, RESET_UNFINISHED,
 * PROMOTION_UNFINISHED, TOPIC_UNKNOWN.
 *
 * ```ts no-run
 * const plan = await planPromotion(shop, { broker, now: Date.now() });
 * await applyPromotion(plan, { broker, stateDirectory: '.millrace/state' });
 * await start(shop, { broker, stateDirectory: '.millrace/state' }); // goes on with the stores of the shadow
 * ```
 */
export const planPromotion = (topology: Topology, options: PromotionOptions): Promise<PromotionPlan> =>
  plan('promote', topology, options);

/**
 * Says what going back to the version that was live before the last promotion would do; changes nothing. That
 * version has been kept with its stores, and catches up from where it was: as {@link planPromotion} for it.
 * Given the topology of that version.
 */
export const planRollback = (topology: Topology, options: PromotionOptions): Promise<PromotionPlan> =>
  plan('rollback', topology, options);

async function plan(kind: Retirement['kind'], topology: Topology, options: PromotionOptions): Promise<PromotionPlan> {
  const { broker, effects = 'silent', now } = options;
  const named = options.applicationId === undefined ? {} : { applicationId: options.applicationId };
  const config = await ofGroup(broker.admin, resolveConfig(topology.name, named), topology);
  const { applicationId, version: live } = config;
  const head = {
    id: `${applicationId}-${kind}-${new Date(now).toISOString().replaceAll(/[:.]/g, '-')}`,
    kind,
    topology: topology.name,
    applicationId,
    effects,
  } as const;
  await checkStopped(broker, shadowOf(applicationId));
  const unfinished = await unfinishedPromotion(broker.admin, applicationId, live);
  if (unfinished) {
    if (unfinished.retirement.kind !== kind) throw promotionUnfinished(applicationId, unfinished.retirement);
    const { id } = unfinished.retirement;
    const nothing = { moves: [], internalMoves: [], positions: { live: [], shadow: [] } };
    return { ...head, ...nothing, id, resumes: id, version: live, retires: live };
  }
  await checkStopped(broker, applicationId);
  const place = await shadowStatus(broker.admin, applicationId);
  const { version } = checkThere(kind, place);
  const committed = await broker.admin.groupOffsets(applicationId);
  checkMarks(applicationId, [...committed, ...place.positions]);
  const topics = await countTopics(broker.admin, topology, { ...config, version });
  const partitionsOf = (names: readonly string[]): readonly TopicPartition[] =>
    names.flatMap((topic) => Array.from({ length: topics.count(topic) }, (_, partition) => ({ topic, partition })));
  const { subTopologies } = topology.graph;
  const sources = partitionsOf([...new Set(subTopologies.flatMap((sub) => sub.topics))].sort());
  const moves = await takeOvers(broker, sources, committed, place.positions);
  // What a rollback writes again begins where the other version began.
  if (kind === 'promote' || effects !== 'live') await checkNothingUnderWay(kind, topology, broker, live, committed);
  const internal = partitionsOf(
    subTopologies.flatMap((sub) => sub.repartitions.map((name) => repartitionTopic(version.prefix, name))).sort(),
  );
  const ends = await broker.admin.latestOffsets(internal);
  return {
    ...head,
    resumes: null,
    version: { n: live.n + 1, prefix: version.prefix },
    retires: live,
    moves,
    internalMoves: ends.map(({ topic, partition, offset }) => ({ topic, partition, until: offset })),
    positions: { live: committed, shadow: place.positions },
  };
}

/** SHADOW_MISSING: nobody is there, or somebody whom the other command is for. */
function checkThere(
  kind: Retirement['kind'],
  { applicationId, positions, version, next, retirement }: ShadowStatus,
): { readonly version: ApplicationVersion } {
  // Each command is for what the other one, or a shadow, has left: run twice, it does not undo what it did.
  const fits = kind === 'rollback' ? retirement?.kind === 'promote' : retirement?.kind !== 'promote';
  if (positions.length > 0 && fits) return { version: version ?? next };
  const saw =
    positions.length === 0
      ? 'no positions'
      : retirement
        ? `the version that ${retirement.id} has taken out`
        : 'a shadow that was never live';
  const other = kind === 'promote' ? 'rollback' : 'promote';
  throw new StreamsError('SHADOW_MISSING', {
    what: kind === 'promote' ? 'there is no shadow that could take over' : 'there is no version to go back to',
    at: `group ${shadowOf(applicationId)}`,
    saw,
    action: retirement
      ? `It was done already, perhaps; what is there can be put in place again by \`millrace ${other}\`.`
      : kind === 'promote'
        ? 'Run one until it has caught up: `millrace run FILE --shadow --fresh`.'
        : 'What was promoted can be taken back until another shadow is begun (--fresh).',
  });
}

/** RESET_UNFINISHED. */
function checkMarks(applicationId: string, positions: readonly PartitionOffset[]): void {
  const mark = positions.map(markOf).find((each) => each?.unfinished);
  if (!mark) return;
  throw new StreamsError('RESET_UNFINISHED', {
    what: `the reset ${mark.id} of the application was interrupted`,
    at: `group ${applicationId}`,
    action: 'Run `millrace reset` once more first: it goes on where it was.',
  });
}

async function takeOvers(
  broker: Broker,
  sources: readonly TopicPartition[],
  live: readonly PartitionOffset[],
  shadow: readonly PartitionOffset[],
): Promise<readonly TakeOver[]> {
  const find = (positions: readonly PartitionOffset[], { topic, partition }: TopicPartition) =>
    positions.find((at) => at.topic === topic && at.partition === partition);
  const earliest = await broker.admin.earliestOffsets(sources);
  const moves = earliest.map(({ topic, partition, offset: first }) => {
    const own = find(shadow, { topic, partition });
    const at = { topic, partition, live: furthest(find(live, { topic, partition })), next: own?.offset ?? first };
    return { ...at, until: Math.max(at.live ?? 0, at.next, furthest(own) ?? 0), first };
  });
  const ahead = moves.filter(({ live, next, first }) => next > Math.max(live ?? 0, first));
  const record = await firstBetween(
    broker,
    ahead.map((at) => ({ ...at, offset: Math.max(at.live ?? 0, at.first) })),
    ahead.map((at) => ({ ...at, offset: at.next })),
  );
  if (record === undefined) return moves.map(({ first: _, ...at }) => at);
  throw new StreamsError('SHADOW_AHEAD', {
    what: 'the version that is to take over has processed records that the live one has not',
    at: record,
    saw: ahead
      .map(({ topic, partition, live, next }) => `${topic}[${partition}]: ${next}, live ${live ?? 0}`)
      .join(', '),
    expected: 'positions at or before those of the live one: what it wrote of them went to its own topics only',
    action: 'Run the live version until it has come so far. Stop the shadow first next time.',
  });
}

/**
 * STATE_MISMATCH: what the live version has read, and not processed to its end, would be missing in the
 * outputs.
 */
async function checkNothingUnderWay(
  kind: Retirement['kind'],
  { graph }: Topology,
  broker: Broker,
  { prefix }: ApplicationVersion,
  committed: readonly PartitionOffset[],
): Promise<void> {
  const read = committed
    .map(({ topic }) => topic)
    .filter((topic) => topic.startsWith(`${prefix}-`) && topic.endsWith('-repartition'));
  const alike = graph.nodes.flatMap((node) =>
    node.kind === 'repartition' ? [repartitionTopic(prefix, node.name)] : [],
  );
  const waiting = await firstUnread(broker, [...new Set([...read, ...alike])], committed);
  if (waiting === undefined) return;
  throw new StreamsError('STATE_MISMATCH', {
    what: 'records are on their way between the tasks of the live version: what follows from them would never be written',
    at: waiting,
    saw: 'records that were not processed',
    expected: 'none',
    action: `Run it until they are processed: \`millrace run --until-idle\`${kind === 'promote' ? '' : '; or let the other version write and call again all that follows from records since it was live: --effects live'}.`,
  });
}
