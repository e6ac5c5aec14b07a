import type { Broker, PartitionOffset, TopicPartition } from '../../broker/port.js';
import type { Topology } from '../../dsl/contract/processor.js';
import { repartitionTopic } from '../../graph/naming.js';
import { StreamsError } from '../../model/errors.js';
import type { ApplicationVersion } from '../../runtime/config/application-version.js';
import { firstBetween } from '../../runtime/offsets/first-between.js';
import { checkResetFinished, type EffectsMode } from '../../runtime/offsets/reset-marks.js';
import { withLettersThatExist } from '../../runtime/redrive/with-letters.js';
import { firstUnread } from '../repair/first-unread.js';
import { furthest } from '../repair/reset-move.js';
import { checkStopped } from '../repair/reset-plan.js';
import { countTopics, inputTopics, partitionsOf, resolveApplication } from '../slice/topics.js';
import {
  promotionUnfinished,
  type Retirement,
  type ShadowStatus,
  shadowOf,
  shadowStatus,
  unfinishedPromotion,
} from './shadow-status.js';

export interface PromotionOptions {
  readonly broker: Broker;
  /** Default: the topology's name. Only this group and its shadow's group are affected. */
  readonly applicationId?: string;
  /**
   * How to treat outputs and calls of records that the live version has processed and the other has not.
   * Default `silent`: no output is written twice, no call is made twice.
   */
  readonly effects?: EffectsMode;
  /** Time that names the plan, in milliseconds since the epoch. */
  readonly now: number;
}

/** One source partition, with the positions of both versions in it. */
export interface TakeOver extends TopicPartition {
  /** Next record of the live version; null: it has committed nothing. */
  readonly live: number | null;
  /** Next record of the version that takes over: the application continues there. */
  readonly next: number;
  /** Records before this offset were processed by a version that was live at that time. */
  readonly until: number;
}

/** What exactly a promotion or a rollback will do. */
export interface PromotionPlan {
  readonly id: string;
  readonly kind: Retirement['kind'];
  readonly topology: string;
  readonly applicationId: string;
  /** Id of an interrupted run that has already swapped the versions; only its remaining steps are done. */
  readonly resumes: string | null;
  /** The version that takes over. */
  readonly version: ApplicationVersion;
  /** The version that is live, and is kept. */
  readonly retires: ApplicationVersion;
  readonly moves: readonly TakeOver[];
  /**
   * Positions in the repartition topics of the version that takes over. `until`: records before this offset
   * follow from source records that a live version has already processed.
   */
  readonly internalMoves: readonly { readonly topic: string; readonly partition: number; readonly until: number }[];
  readonly effects: EffectsMode;
  /** Positions of both groups when the plan was made: nothing is done if they have moved since. */
  readonly positions: { readonly live: readonly PartitionOffset[]; readonly shadow: readonly PartitionOffset[] };
}

/**
 * Plans a promotion, and changes nothing. A promotion makes the shadow of an application the live version; it
 * can also promote again a version that a rollback has taken out.
 *
 * Both versions must be stopped. The shadow may be behind: it then catches up first, and the outputs and
 * calls of records that the live version has processed are not repeated. It must not be ahead (SHADOW_AHEAD):
 * outputs of records that only the shadow has processed would never be written. So stop the shadow first,
 * then the live version. Let the live version first process what is in its repartition topics
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
 * Plans a rollback to the version that was live before the last promotion, and changes nothing. That version
 * was kept with its stores, and catches up from its own positions, as after {@link planPromotion}. `topology`
 * is the topology of that version.
 */
export const planRollback = (topology: Topology, options: PromotionOptions): Promise<PromotionPlan> =>
  plan('rollback', topology, options);

async function plan(kind: Retirement['kind'], declared: Topology, options: PromotionOptions): Promise<PromotionPlan> {
  const { broker, effects = 'silent', now } = options;
  const config = await resolveApplication(declared, broker, options.applicationId);
  const { applicationId, version: live } = config;
  const topology = await withLettersThatExist(declared, broker.admin, live.prefix);
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
  checkResetFinished(applicationId, [...committed, ...place.positions]);
  const topics = await countTopics(broker.admin, topology, { ...config, version });
  const { subTopologies } = topology.graph;
  const sources = partitionsOf([...new Set(subTopologies.flatMap((sub) => sub.topics))].sort(), topics);
  const moves = await takeOvers(broker, sources, committed, place.positions);
  // With `live`, a rollback repeats all outputs from the positions of the other version, so unread records do
  // not matter.
  if (kind === 'promote' || effects !== 'live') await checkNothingUnderWay(kind, topology, broker, live, committed);
  const repartitions = subTopologies.flatMap((sub) =>
    sub.repartitions.map((name) => repartitionTopic(version.prefix, name)),
  );
  const inputs = await inputTopics(topology, broker, version.prefix);
  const internal = partitionsOf([...repartitions.sort(), ...inputs], topics);
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

/** Errors: SHADOW_MISSING if there is no other version, or if it is one for the other command. */
function checkThere(
  kind: Retirement['kind'],
  { applicationId, positions, version, next, retirement }: ShadowStatus,
): { readonly version: ApplicationVersion } {
  // Each command accepts only what the other one, or a shadow, has left. Running it twice does not undo it.
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
      ? `Perhaps it is already done. \`millrace ${other}\` brings that version back.`
      : kind === 'promote'
        ? 'Run one until it has caught up: `millrace run FILE --shadow --fresh`.'
        : 'A promotion can be rolled back until another shadow is started (--fresh).',
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
    expected: 'positions at or before those of the live one: outputs of later records are in shadow topics only',
    action: 'Run the live version until it reaches these offsets. Next time, stop the shadow first.',
  });
}

/**
 * Errors: STATE_MISMATCH if the live version has read records without processing them to the end: their
 * outputs would be missing.
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
    what: 'repartition topics of the live version hold unprocessed records: their outputs would never be written',
    at: waiting,
    saw: 'records that were not processed',
    expected: 'none',
    action: `Run it until they are processed: \`millrace run --until-idle\`${kind === 'promote' ? '' : '; or let the other version repeat all outputs and calls since it was live: --effects live'}.`,
  });
}
