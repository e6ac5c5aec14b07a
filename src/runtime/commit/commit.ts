import type { Membership, PartitionOffset, ProducerRecord } from '../../broker/port.js';
import { changelogTopic } from '../../graph/naming.js';
import { setOwn } from '../../model/own.js';
import type { StateCommit, TaskState } from '../../state/store/task-state.js';
import { changelogRecord } from '../changelog/change-log.js';
import type { CommitStep, Guarantee } from '../config/config.js';
import type { TaskLog } from '../restore/task-log.js';
import type { TaskOutput } from '../send/task-output.js';

export interface CommitTarget {
  readonly partition: number;
  readonly prefix: string;
  readonly guarantee: Guarantee;
  readonly output: Pick<TaskOutput, 'writer' | 'begin' | 'flush'>;
  readonly membership: Membership;
  readonly state: TaskState | undefined;
  /** Records for internal inputs. */
  readonly noted: readonly ProducerRecord[];
  /** Next offset of each source partition, with the stream times as metadata. */
  readonly positions: readonly PartitionOffset[];
  /** Next offset of each source before this commit. */
  readonly before: ReadonlyMap<string, number>;
  readonly streamTime: number;
  readonly now: number;
  /** Undefined: the task has no epoch. */
  readonly log: TaskLog | undefined;
  /** Whether step 4 can be left to a later commit, which then writes these `rows` as well. */
  mayPostpone(rows: number): boolean;
  afterStep(step: CommitStep): void | Promise<void>;
}

/** A commit that the broker has confirmed. */
export interface Committed {
  /** Number of changelog records written. */
  readonly logged: number;
  /** Step 4, still running: the changes are committed, and the local store is about to receive them. */
  readonly applied: Promise<void>;
}

/**
 * Changelog records are created in small groups. The writer copies them, so they are short-lived and cost the
 * garbage collector nothing.
 */
const WRITTEN_TOGETHER = 500;

/**
 * Makes everything that a task has done since the last commit permanent. The steps, and what a crash after
 * each of them leaves:
 *
 * | step | at_least_once | exactly_once | a crash after it |
 * |---|---|---|---|
 * | 1 settle | the batch is finished | same | nothing is committed: all is done again. at_least_once: outputs that the writer has already sent are sent again |
 * | 2 log | sink and changelog records are acknowledged; `onError.produce` settles sink records that the broker refuses | they are in the open transaction | at_least_once: outputs are written again; changelog records past the committed offsets are skipped. exactly_once: the transaction is aborted |
 * | 3 offsets | source offsets are committed to the group | in the same transaction, which is committed | the local store is behind: the rest comes from the changelog |
 * | 4 apply | one write batch: rows, source offsets, changelog positions | same | nothing: the commit is whole |
 *
 * It resolves after step 3: the next batch need not wait for the disk. The next commit must wait for it,
 * since its changes build on these rows. Alternatively one step 4 serves both commits (see apply-due.ts), so
 * that a row that changes all the time is not written all the time.
 *
 * If a step throws, the task must be closed and opened again: it rewinds to the committed offsets and
 * restores.
 */
export async function commit(target: CommitTarget): Promise<Committed> {
  const { state, output, guarantee, log } = target;
  const { writer } = output;
  const positions = log?.withEpochs(target.positions) ?? target.positions;

  // 1 settle
  const prepared = await state?.prepare();
  await target.afterStep('1 settle');

  // 2 log
  if (guarantee === 'exactly_once') await output.begin();
  const changes = { before: target.before, epoch: log?.epoch ?? 0 };
  let logged = 0;
  for (const [store, entries] of prepared?.changelogs ?? []) {
    const topic = changelogTopic(target.prefix, store);
    for (let from = 0; from < entries.length; from += WRITTEN_TOGETHER) {
      const some = entries.slice(from, from + WRITTEN_TOGETHER);
      const full = writer.write(some.map((entry) => changelogRecord(entry, topic, target.partition, changes)));
      if (full) await full;
    }
    logged += entries.length;
  }
  if (target.noted.length > 0) await writer.write(target.noted);
  await output.flush();
  await target.afterStep('2 log');

  // 3 offsets
  if (guarantee === 'exactly_once') {
    await writer.sendOffsets(target.membership, positions);
    await writer.commit();
  } else {
    await target.membership.commit(positions);
  }
  await target.afterStep('3 offsets');

  return { logged, applied: apply(target, prepared) };
}

/** 4 apply */
async function apply(target: CommitTarget, prepared: StateCommit | undefined): Promise<void> {
  const { state, output, positions, log } = target;
  const markers = target.guarantee === 'exactly_once' && output.writer.endMarkers ? 1 : 0;
  if (state && prepared) {
    const changelogs: Record<string, number> = { ...state.checkpoint.changelogs };
    // This task is the only writer of these changelogs, so its stores hold everything that was ever logged.
    const logs = new Map(
      Array.from(state.checkpoint.logs, ([store, { topicId }]) => [store, { topicId, asOf: target.now }] as const),
    );
    for (const [store, entries] of prepared.changelogs) {
      const topic = changelogTopic(target.prefix, store);
      const position = output.writer.acknowledged(topic, target.partition);
      if (position === undefined) continue;
      const known = log?.wrote(topic, entries.length, position, markers) ?? true;
      if (known) setOwn(changelogs, store, position);
    }
    const { emptied } = state.checkpoint;
    const sources = Object.fromEntries(positions.map(({ topic, offset }) => [topic, offset]));
    const epochs = log && Object.fromEntries(Array.from(prepared.changelogs.keys(), (store) => [store, log.epoch]));
    const reached = { sources, changelogs, logs, emptied, ...(epochs && { epochs }) };
    const parts = [prepared.writes, reached, target.streamTime] as const;
    if (target.mayPostpone(prepared.writes.length) && state.postpone(...parts)) return;
    await state.apply(...parts);
  }
  await target.afterStep('4 apply');
}
