import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Broker, type PartitionOffset, partitionKey } from '../../broker/port.js';
import { isStreamsError, StreamsError } from '../../model/errors.js';
import type { Clock } from '../../model/ports.js';
import { sleep } from '../../model/ports.js';
import { lastEpoch } from '../../runtime/changelog/epochs.js';
import { withApplication } from '../../runtime/config/application-marks.js';
import { policiesOf } from '../../runtime/config/kept-policies.js';
import { addedTo } from '../../runtime/config/offset-texts.js';
import { emptiedBy, keptBy } from '../../runtime/offsets/commit-marks.js';
import { marked, markOf, type ResetMark } from '../../runtime/offsets/reset-marks.js';
import { capturedTopic } from '../../runtime/send/reprocessing.js';
import { messageBytesFor, taking } from '../../runtime/topics/message-bytes.js';
import { owned, ownerOf } from '../../runtime/topics/topic-owners.js';
import { LOG_CONFIG, REPARTITION_CONFIG } from '../../runtime/topics/topic-uses.js';
import { openRocksDatabase } from '../../state/database/rocksdb.js';
import { diskIdentityFiles } from '../../state/directory/identity-files.js';
import { rebuildDirectory } from './rebuild-task.js';
import { furthest, type ResetMove } from './reset-move.js';
import { checkStopped, type ResetPlan } from './reset-plan.js';

/** The steps of a reset, in their order. */
export type ResetStep = '1 recorded' | '2 positions' | '3 stores' | '4 topics' | '5 finished';

export interface ResetContext {
  readonly broker: Broker;
  readonly stateDirectory: string;
  readonly clock: Clock;
  /** Called after each step: a crash test throws here. */
  readonly afterStep?: (step: ResetStep) => void | Promise<void>;
}

/** How long brokers may take to delete a topic after they accepted the request. */
const DELETION_MS = 30_000;

/**
 * Does exactly what a plan says. The steps, and what a crash after each of them leaves:
 *
 * | step | what | a crash after it |
 * |---|---|---|
 * | 1 recorded | the plan is in `<state>/resets/<application>/<id>.json`, as begun | nothing has changed |
 * | 2 positions | the group's offsets are set, marked as unfinished | the application refuses to start (RESET_UNFINISHED); run again, the reset continues, and still has the application's former positions |
 * | 3 stores | directories of this machine are deleted, if the plan says so, and the new stores of an interrupted rebuild | as above |
 * | 4 topics | changelogs and repartition topics are deleted, if the plan says so, and the latter created again; the topic of captured outputs is created, if it is needed | as above |
 * | 5 finished | the marks no longer say unfinished, the record says done | nothing: the reset is whole |
 *
 * Output topics, and everything of other applications, stay as they are. Returns the path of the record.
 * Errors: APPLICATION_RUNNING, STATE_LOCKED, STATE_MISMATCH if the application has moved since the plan was
 * made, and those of the broker.
 */
export async function applyReset(plan: ResetPlan, context: ResetContext): Promise<string> {
  const { broker, stateDirectory, afterStep } = context;
  const { applicationId, id, stores, repartitions } = plan;
  await checkStopped(broker, applicationId);
  const before = new Map(
    (await broker.admin.groupOffsets(applicationId)).map((at) => [partitionKey(at.topic, at.partition), at]),
  );
  checkUnmoved(plan, before);
  for (const directory of stores.directories) await checkUnlocked(directory);
  const record = join(stateDirectory, 'resets', applicationId, `${id}.json`);
  const write = (status: 'begun' | 'done'): Promise<void> =>
    diskIdentityFiles.writeAtomically(record, `${JSON.stringify({ format: 1, status, ...plan }, null, 2)}\n`);
  await write('begun');
  await afterStep?.('1 recorded');

  const topics = repartitions.topics.map(({ name }) => name);
  const existing = new Set((await broker.admin.describeTopics(topics)).map(({ name }) => name));
  const moved = plan.internalMoves.filter(({ topic }) => existing.has(topic));
  await broker.admin.setGroupOffsets(applicationId, offsetsOf({ ...plan, internalMoves: moved }, before, true));
  await afterStep?.('2 positions');

  for (const directory of stores.directories) {
    // The identity goes last. A directory without one is not found again, and is refused as long as it holds
    // rows.
    await rm(join(directory, 'db'), { recursive: true, force: true });
    await rm(directory, { recursive: true, force: true });
  }
  // A rebuild's new stores belong to positions that no longer hold.
  await rm(rebuildDirectory(stateDirectory, plan.version.prefix), { recursive: true, force: true });
  await afterStep?.('3 stores');

  await deleteTopics(context, [...stores.changelogs, ...(repartitions.action === 'delete' ? topics : [])]);
  if (repartitions.action === 'delete') {
    // Created again, so that positions can be set in them, which mark their records.
    const sources = await broker.admin.describeTopics([...new Set(plan.moves.map(({ topic }) => topic))]);
    const settings = { ...REPARTITION_CONFIG, ...taking(messageBytesFor(sources)) };
    const config = owned(settings, ownerOf(applicationId, plan.version));
    const made = repartitions.topics.map((topic) => ({ ...topic, config }));
    if (made.length > 0) await broker.admin.createTopics(made);
  }
  if (plan.effects === 'capture') await createCaptured(broker, applicationId);
  await afterStep?.('4 topics');

  await broker.admin.setGroupOffsets(applicationId, offsetsOf(plan, before, false));
  await write('done');
  await afterStep?.('5 finished');
  return record;
}

/**
 * The positions of the plan with their marks. Emptied stores have no stream time yet; others keep theirs. A
 * higher epoch makes the reset win over changelog records that earlier owners may still write.
 */
function offsetsOf(
  { id, applicationId, effects, stores, repartitions, moves, internalMoves, version }: ResetPlan,
  before: ReadonlyMap<string, PartitionOffset>,
  unfinished: boolean,
): readonly PartitionOffset[] {
  const keeps = stores.action === 'keep';
  const epoch = lastEpoch([...before.values()]);
  const epochs = epoch === 0 ? {} : { epochs: [[epoch + 1, 0]] };
  const emptied = emptiedBy(id.slice(applicationId.length + 1));
  const head = { id, effects, ...(keeps && { keeps }), ...(unfinished && { unfinished: true as const }) };
  const withMark = ({ topic, partition, to }: ResetMove, mark: ResetMark | undefined): PartitionOffset => {
    const kept = before.get(partitionKey(topic, partition))?.metadata;
    const metadata = keeps ? keptBy(kept, to) : addedTo(emptied, epochs);
    return { topic, partition, offset: to, metadata: marked(metadata, mark) };
  };
  const until = ({ from, to }: ResetMove): number => Math.max(from ?? 0, to);
  // All positions are marked if any partition has old records: its new records wait for the old ones of
  // others.
  const isBack = moves.some((move) => until(move) > move.to);
  const positions = [
    ...moves.map((move) => withMark(move, unfinished || isBack ? { ...head, until: until(move) } : undefined)),
    ...internalMoves.map((move) => {
      const mark = markOf(before.get(partitionKey(move.topic, move.partition)) ?? { ...move, offset: 0 });
      // Outputs that a promotion has marked as written here must still not be written a second time.
      const old = repartitions.action === 'keep' && mark?.marked ? Math.max(mark.until, move.to) : move.to;
      return withMark(move, unfinished || effects !== 'live' ? { ...head, until: old, marked: true } : undefined);
    }),
  ];
  return withApplication(positions, { applicationId, version, kept: policiesOf([...before.values()]) });
}

/**
 * Errors: STATE_MISMATCH if positions have moved, because outputs and calls since the plan was made would be
 * repeated.
 */
function checkUnmoved(
  { applicationId, moves, internalMoves }: ResetPlan,
  before: ReadonlyMap<string, PartitionOffset>,
): void {
  const at = ({ topic, partition }: ResetMove): PartitionOffset | undefined =>
    before.get(partitionKey(topic, partition));
  const moved =
    moves.find((move) => furthest(at(move)) !== move.from) ??
    internalMoves.find((move) => (at(move)?.offset ?? null) !== move.from);
  if (!moved) return;
  throw new StreamsError('STATE_MISMATCH', {
    what: 'the positions have changed since the plan was made',
    at: `group ${applicationId}, ${moved.topic}[${moved.partition}]`,
    saw: `offset ${at(moved)?.offset ?? 'none'}`,
    expected: `offset ${moved.from ?? 'none'}`,
    action: 'Make the plan again.',
  });
}

/** Errors: STATE_LOCKED if a process has the state open, in any group. */
async function checkUnlocked(directory: string): Promise<void> {
  try {
    const database = await openRocksDatabase(join(directory, 'db'));
    await database.close();
  } catch (error) {
    // Damaged, perhaps by an interrupted reset. No process has it open, and it is to be removed.
    if (!isStreamsError(error) || error.code !== 'STATE_CORRUPT') throw error;
  }
}

/**
 * Deletes the topics that exist, and waits until they are gone, so that topics created under the same names
 * are new.
 */
export async function deleteTopics(
  { broker, clock }: Pick<ResetContext, 'broker' | 'clock'>,
  names: readonly string[],
): Promise<void> {
  const present = async (): Promise<readonly string[]> =>
    names.length === 0 ? [] : (await broker.admin.describeTopics(names)).map(({ name }) => name);
  const existing = await present();
  if (existing.length === 0) return;
  await broker.admin.deleteTopics(existing);
  for (const end = clock.monotonic() + DELETION_MS; ; await sleep(clock, 100)) {
    const left = await present();
    if (left.length === 0) return;
    if (clock.monotonic() < end) continue;
    throw new StreamsError('BROKER_UNAVAILABLE', {
      what: 'topics that were deleted are still there',
      saw: left.join(', '),
      action: 'Run it again when the brokers have deleted them.',
    });
  }
}

/** Creates the topic of captured outputs and calls, if there is none. */
export async function createCaptured(broker: Broker, applicationId: string): Promise<void> {
  const name = capturedTopic(applicationId);
  const [existing] = await broker.admin.describeTopics([name]);
  if (!existing) await broker.admin.createTopics([{ name, partitions: 1, config: LOG_CONFIG }]);
}
