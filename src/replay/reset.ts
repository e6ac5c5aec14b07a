import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Broker, type PartitionOffset, partitionKey } from '../broker/port.js';
import { isStreamsError, StreamsError } from '../model/errors.js';
import type { Clock } from '../model/ports.js';
import { sleep } from '../model/ports.js';
import { withVersion } from '../runtime/application-version.js';
import { emptiedBy, keptBy } from '../runtime/commit-marks.js';
import { lastEpoch } from '../runtime/epochs.js';
import { messageBytesFor, taking } from '../runtime/message-bytes.js';
import { addedTo } from '../runtime/offset-texts.js';
import { capturedTopic } from '../runtime/reprocessing.js';
import { marked, markOf, type ResetMark } from '../runtime/reset-marks.js';
import { owned, ownerOf } from '../runtime/topic-owners.js';
import { LOG_CONFIG, REPARTITION_CONFIG } from '../runtime/topic-uses.js';
import { diskIdentityFiles } from '../state/identity-files.js';
import { openRocksDatabase } from '../state/rocksdb.js';
import { rebuildDirectory } from './rebuild-task.js';
import { checkStopped, furthest, type ResetMove, type ResetPlan } from './reset-plan.js';

/** The steps of a reset, in their order. */
export type ResetStep = '1 recorded' | '2 positions' | '3 stores' | '4 topics' | '5 finished';

export interface ResetContext {
  readonly broker: Broker;
  readonly stateDirectory: string;
  readonly clock: Clock;
  /** Called after each step: a crash test throws here. */
  readonly afterStep?: (step: ResetStep) => void | Promise<void>;
}

/** How long brokers may take to delete a topic that they said they would. */
const DELETION_MS = 30_000;

/**
 * Does exactly what a plan says. The steps, and what a crash behind each of them leaves:
 *
 * | step | what | a crash behind it |
 * |---|---|---|
 * | 1 recorded | the plan is in `<state>/resets/<application>/<id>.json`, as begun | nothing has changed |
 * | 2 positions | the group's offsets are set, marked as unfinished | the application refuses to start (RESET_UNFINISHED); run again, the reset goes on, and still knows how far the application had come |
 * | 3 stores | directories of this machine are deleted, if the plan says so, and what an interrupted rebuild was making | as above |
 * | 4 topics | changelogs and repartition topics are deleted, if the plan says so, and the latter made anew; that of captured outputs is created, if it is needed | as above |
 * | 5 finished | the marks no longer say unfinished, the record says done | nothing: the reset is whole |
 *
 * Output topics are never touched, nor anything of another application. Returns the path of the record.
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
    // Its identity last: a directory without one is not found again, and refused as long as there are rows
    // beside it.
    await rm(join(directory, 'db'), { recursive: true, force: true });
    await rm(directory, { recursive: true, force: true });
  }
  // Stores that a rebuild was making are made of positions that no longer hold.
  await rm(rebuildDirectory(stateDirectory, plan.version.prefix), { recursive: true, force: true });
  await afterStep?.('3 stores');

  await deleteTopics(context, [...stores.changelogs, ...(repartitions.action === 'delete' ? topics : [])]);
  if (repartitions.action === 'delete') {
    // So that a position can be set in them, which says that their records are marked.
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
 * The positions of the plan with their marks. Stores that begin empty have no time yet; others keep theirs.
 * What owners before the reset may still write to the changelogs is overtaken by it.
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
  // All say so if any has old records: what is new in one waits for what is old in others.
  const isBack = moves.some((move) => until(move) > move.to);
  const positions = [
    ...moves.map((move) => withMark(move, unfinished || isBack ? { ...head, until: until(move) } : undefined)),
    ...internalMoves.map((move) => {
      const mark = markOf(before.get(partitionKey(move.topic, move.partition)) ?? { ...move, offset: 0 });
      // What a promotion has found there is still not to be written a second time.
      const old = repartitions.action === 'keep' && mark?.marked ? Math.max(mark.until, move.to) : move.to;
      return withMark(move, unfinished || effects !== 'live' ? { ...head, until: old, marked: true } : undefined);
    }),
  ];
  return withVersion(positions, version, applicationId);
}

/**
 * STATE_MISMATCH: what the application has written and called since the plan was made would be written and
 * called once more.
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

/** STATE_LOCKED: somebody has the state open, in whatever group. */
async function checkUnlocked(directory: string): Promise<void> {
  try {
    const database = await openRocksDatabase(join(directory, 'db'));
    await database.close();
  } catch (error) {
    // Damaged, by an interrupted reset perhaps: nobody has it open, and it is to be removed.
    if (!isStreamsError(error) || error.code !== 'STATE_CORRUPT') throw error;
  }
}

/**
 * Deletes those that there are, and waits until they are gone: made anew under the same name, they must be
 * new.
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
      action: 'Do it once more, when the brokers have deleted them.',
    });
  }
}

/** Makes the topic of what would have been written or called, if there is none. */
export async function createCaptured(broker: Broker, applicationId: string): Promise<void> {
  const name = capturedTopic(applicationId);
  const [existing] = await broker.admin.describeTopics([name]);
  if (!existing) await broker.admin.createTopics([{ name, partitions: 1, config: LOG_CONFIG }]);
}
