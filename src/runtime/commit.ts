import type { Membership, PartitionOffset, ProducerRecord, Writer } from '../broker/port.js';
import type { Processor } from '../dsl/processor.js';
import { changelogTopic } from '../graph/naming.js';
import type { ChangelogEntry } from '../state/changelog-entry.js';
import type { TaskState } from '../state/task-state.js';
import { changelogRecord, timesRecord } from './change-log.js';
import type { CommitStep, Guarantee } from './config.js';

export interface CommitTarget {
  readonly taskId: string;
  readonly partition: number;
  readonly applicationId: string;
  readonly guarantee: Guarantee;
  readonly writer: Writer;
  readonly membership: Membership;
  readonly processors: readonly Processor[];
  readonly state: TaskState | undefined;
  /** Next offset of each source partition. */
  readonly positions: readonly PartitionOffset[];
  readonly streamTime: number;
  /** Begins the transaction if none is open. */
  begin(): Promise<void>;
  afterStep(step: CommitStep): void | Promise<void>;
}

/**
 * Makes everything that a task has done since the last commit permanent. The steps, and what a crash after each of them leaves behind:
 *
 * | step | at_least_once | exactly_once | a crash after it |
 * |---|---|---|---|
 * | 1 settle | the batch is finished, processors write their last | same | nothing is committed: all is done again. at_least_once: outputs that the writer has already sent come again |
 * | 2 log | sinks and changelog records are acknowledged | they are in the open transaction | at_least_once: outputs are written again; changelog records past the committed offsets are skipped. exactly_once: the transaction is aborted |
 * | 3 offsets | source offsets are committed to the group | in the same transaction, which is committed | the local store is behind: the rest comes from the changelog |
 * | 4 apply | one write batch: rows, source offsets, changelog positions | same | nothing: the commit is whole |
 *
 * If a step throws, the task must be given up and opened again: it rewinds to the committed offsets and restores. Returns the number of changelog records.
 */
export async function commit(target: CommitTarget): Promise<number> {
  const { state, writer, positions, guarantee } = target;

  // 1 settle
  for (const processor of target.processors) processor.beforeCommit?.();
  const prepared = await state?.prepare();
  await target.afterStep('1 settle');

  // 2 log
  const changelog = prepared ? changelogRecords(target, state as TaskState, prepared.changelogs) : [];
  if (guarantee === 'exactly_once') await target.begin();
  if (changelog.length > 0) await writer.write(changelog);
  await writer.flush();
  await target.afterStep('2 log');

  // 3 offsets
  if (guarantee === 'exactly_once') {
    await writer.sendOffsets(target.membership, positions);
    await writer.commit();
  } else {
    await target.membership.commit(positions);
  }
  await target.afterStep('3 offsets');

  // 4 apply
  if (state && prepared) {
    const changelogs = { ...state.checkpoint.changelogs };
    for (const store of prepared.changelogs.keys()) {
      const position = writer.acknowledged(changelogTopic(target.applicationId, store), target.partition);
      if (position !== undefined) changelogs[store] = position;
    }
    const sources = Object.fromEntries(positions.map(({ topic, offset }) => [topic, offset]));
    await state.apply(prepared.writes, { sources, changelogs }, target.streamTime);
  }
  await target.afterStep('4 apply');
  return changelog.length;
}

function changelogRecords(
  { applicationId, partition, positions, streamTime }: CommitTarget,
  state: TaskState,
  changelogs: Awaited<ReturnType<TaskState['prepare']>>['changelogs'],
): ProducerRecord[] {
  const records: ProducerRecord[] = [];
  const { sources, streamTimes } = state.checkpoint;
  const before = (name: string): number => streamTimes[name] ?? Number.NEGATIVE_INFINITY;
  // Such a change counts as committed whatever becomes of this commit (it is logged again, or a timer made it): it must not carry times of what is not.
  const isOld = ({ causeTopic, causeOffset }: ChangelogEntry): boolean => causeOffset < (sources[causeTopic] ?? 0);
  // The task's stream time travels with whatever is logged; if nothing else is, with the first store.
  const alone = streamTime > before('') && [...changelogs.values()].every((entries) => entries.every(isOld));
  const last = positions.find(({ topic, offset }) => offset > (sources[topic] ?? 0));
  let said = false;
  for (const [store, entries] of changelogs) {
    const topic = changelogTopic(applicationId, store);
    const target = { topic, partition, storeTime: state.cached(store).streamTime, taskTime: streamTime };
    const old = { topic, partition, storeTime: before(store), taskTime: before('') };
    for (const entry of entries) records.push(changelogRecord(entry, isOld(entry) ? old : target));
    if (!last || !entries.every(isOld)) continue;
    if (target.storeTime > before(store) || (alone && !said)) {
      records.push(timesRecord({ topic: last.topic, offset: last.offset - 1 }, target));
      said = true;
    }
  }
  return records;
}
