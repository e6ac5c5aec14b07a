import type { Broker, PartitionOffset, TopicPartition } from '../broker/port.js';
import { StreamsError } from '../model/errors.js';
import type { Logger } from '../model/ports.js';
import type { TaskState } from '../state/task-state.js';
import { isOwnCommit, knownProgress, tellsOfAll } from './commit-marks.js';
import type { ResumePosition, ResumePositions } from './resume-positions.js';
import { offsetsOf } from './sources.js';

/**
 * What can be done when the group's offsets and the rows do not fit together. `behind`: the offset behind the
 * rows, by topic.
 */
export function goOnOrBeginAnew(behind: ReadonlyMap<string, number>, partition: number): string {
  const offsets = Array.from(behind, ([topic, offset]) => `${topic}:${partition}=${offset}`).join(',');
  return `Brokers forget the offsets of a group that has no member for a week (offsets.retention.minutes). To go on with the rows as they are, stop the application and put the group behind them: millrace reset FILE --to offset:${offsets} --stores keep. To begin anew: millrace reset FILE --to earliest --stores delete.`;
}

type DirectoryOf = Pick<TaskState, 'directory' | 'checkpoint'>;

/** The task's sources that a state on this machine contains, each with the offset up to which it does. */
function containedIn(
  { checkpoint }: DirectoryOf,
  places: ResumePositions,
): readonly (TopicPartition & ResumePosition & { readonly upTo: number })[] {
  const contained = new Map(Object.entries(checkpoint.sources));
  return places.own.flatMap((place) => {
    const upTo = contained.get(place.topic);
    return upTo === undefined ? [] : [{ ...place, upTo }];
  });
}

/**
 * STATE_MISMATCH: a store that contains records which are about to be processed again would count them twice.
 * So may one whose group has no offset at all.
 */
export function checkNotAhead(state: DirectoryOf, places: ResumePositions): void {
  const contained = containedIn(state, places);
  const ahead = contained.find(({ upTo, offset, committed, begun }) => upTo > offset || !(committed || begun));
  if (ahead === undefined) return;
  const { topic, partition, upTo } = ahead;
  throw new StreamsError('STATE_MISMATCH', {
    what: `the state contains ${topic} up to offset ${upTo}, and the group has committed less`,
    at: state.directory,
    saw: seenOf(ahead),
    expected: `at least ${upTo}`,
    action: `The group's offsets were moved back, or the brokers have lost them. ${goOnOrBeginAnew(new Map(contained.map((at) => [at.topic, at.upTo])), partition)}`,
  });
}

/**
 * Whether the group has lost where it was in a source, and begins behind what the state on this machine
 * contains.
 */
export const hasLostPosition = (state: DirectoryOf, places: ResumePositions): boolean =>
  containedIn(state, places).some(({ upTo, offset, begun }) => begun && upTo < offset);

const seenOf = ({ offset, committed }: ResumePosition): string =>
  committed ? `committed offset ${offset}` : `no committed offset; it would be read from ${offset} on`;

/**
 * STATE_MISMATCH: offsets that were committed together say that a source was elsewhere than its own offset
 * says.
 */
export function checkAllCommitted(
  taskId: string,
  partition: number,
  places: ResumePositions,
  committed: readonly PartitionOffset[],
): void {
  const known = knownProgress(committed);
  for (const place of places.own) {
    const { topic, offset } = place;
    const before = known.get(topic);
    // Of one that is gone, nothing may be passed over either: what is missing there was in no commit.
    if (before === undefined || (place.committed ? before <= offset : before === offset)) continue;
    throw new StreamsError('STATE_MISMATCH', {
      what: `the group's offset of ${topic}[${partition}] does not fit those that were committed with it`,
      at: `task ${taskId}`,
      saw: seenOf(place),
      expected: `offset ${before}`,
      action: goOnOrBeginAnew(new Map([[topic, before]]), partition),
    });
  }
}

/**
 * Whether rows of a task with several sources cannot be judged by their causes: nobody who has committed its
 * offsets tells how far it was in each.
 */
export const isDoubtful = (places: ResumePositions, committed: readonly PartitionOffset[]): boolean =>
  places.own.length > 1 && !committed.some(tellsOfAll);

/**
 * STATE_MISMATCH: rows follow from records of several sources, and of one of these nobody can say how far it
 * was. A row names only the last record that it follows from; so what was done of another source is known
 * from the offsets alone.
 */
export async function checkDoubtful(
  { id, partition }: { readonly id: string; readonly partition: number },
  { admin }: Pick<Broker, 'admin'>,
  places: ResumePositions,
  committed: readonly PartitionOffset[],
): Promise<void> {
  const known = new Set(committed.filter(isOwnCommit).map(({ topic }) => topic));
  const doubtful = places.own.filter(({ topic }) => !known.has(topic));
  for (const { topic, offset: end } of await admin.latestOffsets(doubtful)) {
    const place = places.of(topic);
    // Nothing of it would be read a second time.
    if (place === undefined || place.offset >= end) continue;
    throw new StreamsError('STATE_MISMATCH', {
      what: `the stores follow from several sources, and it is not known how far ${topic}[${partition}] was`,
      at: `task ${id}`,
      saw: `${place.committed ? `offset ${place.offset}, which no task has committed` : seenOf(place)}: records may count twice`,
      expected: 'offsets that the application has committed',
      action: goOnOrBeginAnew(
        new Map(places.own.map((own) => [own.topic, own.topic === topic ? end : own.offset])),
        partition,
      ),
    });
  }
}

/** A source that rows follow from, and of which the group has no offset any more. */
export interface LostOffset extends TopicPartition {
  /** The offset behind the last record that the rows are known to follow from. */
  readonly behind: number;
  /** Where it would be read on. */
  readonly begins: number;
}

/**
 * STATE_MISMATCH: records that nobody is known to have processed would be passed over, as under
 * `startFrom: 'latest'`. Where they cannot be read any more, or there are none, the rows are kept: a warning
 * says so.
 */
export async function checkPassedOver(
  { id, partition }: { readonly id: string; readonly partition: number },
  { admin }: Pick<Broker, 'admin'>,
  lost: readonly LostOffset[],
  logger: Logger,
): Promise<void> {
  if (lost.length === 0) return;
  const firsts = offsetsOf(await admin.earliestOffsets(lost));
  const unread = new Map(lost.map(({ topic, behind }) => [topic, Math.max(behind, firsts.get(topic) ?? 0)]));
  for (const { topic, behind, begins } of lost) {
    const source = `${topic}[${partition}]`;
    if ((unread.get(topic) as number) < begins)
      throw new StreamsError('STATE_MISMATCH', {
        what: `the group has no offset of ${source} any more, and the stores hold what follows from its records`,
        at: `task ${id}`,
        saw: `rows that follow from records before offset ${behind}, and a beginning at ${begins}: records would be passed over`,
        expected: `a committed offset of ${unread.get(topic)}`,
        action: goOnOrBeginAnew(unread, partition),
      });
    const between = behind < begins ? ', and those between are gone: they may never have been processed' : '';
    logger.warn(
      { task: id, topic, partition },
      `the group has no offset of ${source} any more; the stores keep what follows from its records before offset ${behind}, and it is read on from offset ${begins}${between}`,
    );
  }
}

/**
 * A task without stores reads a source anew of which its other sources say how far it was: nothing is passed
 * over.
 */
export function warnOfReadingAgain(
  logger: Logger,
  committed: readonly PartitionOffset[],
  sources: readonly TopicPartition[],
): void {
  const known = knownProgress(committed);
  const own = new Set(committed.map(({ topic }) => topic));
  for (const { topic, partition } of sources) {
    const before = known.get(topic);
    if (before === undefined || own.has(topic)) continue;
    logger.warn(
      { topic, partition },
      `the group has no offset of ${topic}[${partition}] any more: it is read from its start, and records before offset ${before} may be processed a second time`,
    );
  }
}
