import { join } from 'node:path';
import { type Admin, type Broker, type PartitionOffset, partitionKey } from '../../broker/port.js';
import { StreamsError } from '../../model/errors.js';
import { withApplication } from '../../runtime/config/application-marks.js';
import { versionOf } from '../../runtime/config/application-version.js';
import { keptOver, policiesOf } from '../../runtime/config/kept-policies.js';
import { marked, type ResetMark } from '../../runtime/offsets/reset-marks.js';
import { diskIdentityFiles } from '../../state/directory/identity-files.js';
import { createCaptured } from '../repair/reset.js';
import { checkStopped } from '../repair/reset-plan.js';
import type { PromotionPlan } from './promotion-plan.js';
import { keptOf, reinstated, retired, shadowOf } from './shadow-status.js';

/** The steps of a promotion or a rollback, in their order. */
export type PromotionStep = '1 recorded' | '2 kept' | '3 changed' | '4 waits' | '5 finished';

export interface PromotionContext {
  readonly broker: Broker;
  /** This machine's state directory, where the record of the promotion is kept. */
  readonly stateDirectory: string;
  /** Called after each step: a crash test throws here. */
  readonly afterStep?: (step: PromotionStep) => void | Promise<void>;
}

/**
 * Makes another version of an application the live one. The group then has that version's positions, and its
 * offsets name the stores and internal topics that belong to them. The version that was live takes the place
 * of the shadow, with its own stores, internal topics and positions; a rollback can go back to it. No record
 * is copied, no store is changed.
 *
 * | step | what | a crash after it |
 * |---|---|---|
 * | 1 recorded | the plan is in `<state>/promotions/<application>/<id>.json`, as begun | nothing has changed |
 * | 2 kept | the positions of the live version are copied to the group `<application>-promotion` | as above |
 * | 3 changed | the group gets the other version's offsets, marked with that version: one request, all or nothing | the other version is live, and may be started; run again, the command does the rest; until then no shadow can be started (PROMOTION_UNFINISHED) |
 * | 4 waits | the group of the shadow has the positions of the version that was live | as above |
 * | 5 finished | the copy is deleted, the record says done | nothing: it is whole |
 *
 * Returns the path of the record. Errors: APPLICATION_RUNNING, STATE_MISMATCH if one of the two versions has
 * moved since the plan was made, and those of the broker.
 */
export async function applyPromotion(plan: PromotionPlan, context: PromotionContext): Promise<string> {
  const { broker, stateDirectory, afterStep } = context;
  const { admin } = broker;
  const { applicationId, id, kind, version } = plan;
  const [shadow, keeping] = [shadowOf(applicationId), keptOf(applicationId)];
  await checkStopped(broker, shadow);
  const record = join(stateDirectory, 'promotions', applicationId, `${id}.json`);
  const write = (status: 'begun' | 'done'): Promise<void> =>
    diskIdentityFiles.writeAtomically(record, `${JSON.stringify({ format: 1, status, ...plan }, null, 2)}\n`);
  if (plan.resumes === null) {
    await checkStopped(broker, applicationId);
    await checkUnmoved(admin, plan);
    await write('begun');
    await afterStep?.('1 recorded');

    if (plan.effects === 'capture') await createCaptured(broker, applicationId);
    // An earlier promotion that was interrupted before step 3 may have left positions here.
    await admin.deleteGroup(keeping);
    const kept = plan.positions.live.map((at) => retired(at, plan.retires, { id, kind }));
    await admin.setGroupOffsets(keeping, await ofTopics(admin, kept));
    await afterStep?.('2 kept');

    await admin.setGroupOffsets(applicationId, positionsAfter(plan));
    await afterStep?.('3 changed');
  }

  const kept = await admin.groupOffsets(keeping);
  // The group is empty if another process has finished the promotion at the same time.
  if (kept.length > 0) {
    await admin.deleteGroup(shadow);
    await admin.setGroupOffsets(shadow, await ofTopics(admin, kept));
  }
  await afterStep?.('4 waits');

  await admin.deleteGroup(keeping);
  if (plan.resumes === null) await write('done');
  else await finishRecord(record, { id, kind, applicationId, version });
  await afterStep?.('5 finished');
  return record;
}

/** Completes the record of an interrupted promotion, which may have begun on another machine. */
async function finishRecord(
  path: string,
  facts: Pick<PromotionPlan, 'id' | 'kind' | 'applicationId' | 'version'>,
): Promise<void> {
  const text = await diskIdentityFiles.read(path);
  const known = text === null ? { format: 1, ...facts } : JSON.parse(text);
  await diskIdentityFiles.writeAtomically(path, `${JSON.stringify({ ...known, status: 'done' }, null, 2)}\n`);
}

/** Errors: STATE_MISMATCH if the positions are no longer those seen when the plan was made. */
async function checkUnmoved(admin: Admin, { applicationId, positions, retires }: PromotionPlan): Promise<void> {
  const [live, shadow] = await Promise.all([
    admin.groupOffsets(applicationId),
    admin.groupOffsets(shadowOf(applicationId)),
  ]);
  const texts = (list: readonly PartitionOffset[]): string =>
    JSON.stringify(list.map(({ topic, partition, offset }) => [topic, partition, offset].join(' ')).sort());
  const same = texts(live) === texts(positions.live) && texts(shadow) === texts(positions.shadow);
  if (same && (versionOf(live, applicationId)?.n ?? 0) === retires.n) return;
  throw new StreamsError('STATE_MISMATCH', {
    what: 'the positions have changed since the plan was made',
    at: `groups ${applicationId} and ${shadowOf(applicationId)}`,
    action: 'Make the plan again.',
  });
}

/** All positions of the version that takes over, each with its own stream times. */
function positionsAfter({
  id,
  applicationId,
  effects,
  moves,
  internalMoves,
  positions,
  version,
}: PromotionPlan): readonly PartitionOffset[] {
  const own = new Map(positions.shadow.map((at) => [partitionKey(at.topic, at.partition), reinstated(at)]));
  const withMark = (at: PartitionOffset, mark: ResetMark | undefined): PartitionOffset => ({
    ...at,
    metadata: marked(at.metadata, mark),
  });
  const after = [
    ...moves.map(({ topic, partition, next, until }) => {
      const at = { topic, partition, ...own.get(partitionKey(topic, partition)), offset: next };
      // Marked even where it is not behind: its new records wait for the old ones of other partitions.
      return withMark(at, effects !== 'live' || until > next ? { id, effects, until } : undefined);
    }),
    ...internalMoves.map(({ topic, partition, until }) => {
      const at = { topic, partition, offset: 0, ...own.get(partitionKey(topic, partition)) };
      return withMark(at, effects === 'live' ? undefined : { id, effects, until, marked: true });
    }),
  ];
  const kept = keptOver(policiesOf(positions.shadow), policiesOf(positions.live));
  return withApplication(after, { applicationId, version, kept });
}

/** Leaves out offsets of topics that no longer exist: they cannot be set, and are of no use. */
async function ofTopics(admin: Admin, positions: readonly PartitionOffset[]): Promise<readonly PartitionOffset[]> {
  const described = await admin.describeTopics([...new Set(positions.map(({ topic }) => topic))]);
  const widths = new Map(described.map(({ name, partitions }) => [name, partitions]));
  return positions.filter(({ topic, partition }) => partition < (widths.get(topic) ?? 0));
}
