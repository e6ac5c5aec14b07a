import type { Broker, PartitionOffset, TopicPartition } from '../../broker/port.js';
import { type ErrorDetails, StreamsError } from '../../model/errors.js';
import type { Logger } from '../../model/ports.js';
import type { TaskState } from '../../state/store/task-state.js';
import { offsetsOf } from '../topics/sources.js';
import { isOwnCommit, knownProgress, tellsOfAll } from './commit-marks.js';
import { firstBetween } from './first-between.js';
import type { ResumePosition, ResumePositions } from './resume-positions.js';

interface Mismatch extends Omit<ErrorDetails, 'action'> {
  /** What may have happened, if the problem itself does not say it. */
  readonly reason?: string;
}

/**
 * STATE_MISMATCH: the group's offsets and the rows do not match. The message ends with the ways out.
 */
export class OffsetsLost extends StreamsError {
  readonly #details: Mismatch;
  /** The offset after what is processed, of each partition that is to be set. */
  readonly behind: readonly PartitionOffset[];

  /**
   * @param guessed Those whose position is not known.
   * @param shorter Those with logs that end before what was read of them.
   */
  constructor(
    details: Mismatch,
    behind: readonly PartitionOffset[],
    guessed: readonly TopicPartition[] = [],
    shorter: readonly TopicPartition[] = [],
  ) {
    const action =
      shorter.length > 0
        ? [details.reason, beginAnew(shorter)]
        : [details.reason, goOnOrBeginAnew(behind), guessed.length > 0 && ofGuessed(guessed)];
    super('STATE_MISMATCH', { ...details, action: action.filter(Boolean).join(' ') });
    this.#details = details;
    this.behind = behind;
  }

  /** The same error, with the ways out of the whole application. */
  completed(
    behind: readonly PartitionOffset[],
    guessed: readonly TopicPartition[],
    shorter: readonly TopicPartition[],
  ): OffsetsLost {
    return new OffsetsLost(this.#details, behind, guessed, shorter);
  }
}

const namesOf = (partitions: readonly TopicPartition[]): string =>
  partitions.map(({ topic, partition }) => `${topic}[${partition}]`).join(', ');

/** Records of a topic that was created again have the offsets of others that the rows contain. */
const beginAnew = (shorter: readonly TopicPartition[]): string =>
  `${namesOf(shorter)} ends before that: the topic was deleted and created again. Start over with the records that there are: millrace reset FILE --to earliest --stores delete.`;

function ofGuessed(guessed: readonly TopicPartition[]): string {
  return `The position in ${namesOf(guessed)} is not known, and the end is named. If records were written after the application was stopped, name the first of them instead. Of a topic that is new or was recreated, name the first record.`;
}

/** The ways out if the group's offsets and the rows do not match. */
function goOnOrBeginAnew(behind: readonly PartitionOffset[]): string {
  const offsets = behind.map(({ topic, partition, offset }) => `${topic}:${partition}=${offset}`).join(',');
  return `Brokers forget the offsets of a group that has no member for a week (offsets.retention.minutes). To continue with the rows as they are, stop the application and set the group's offsets after them: millrace reset FILE --to offset:${offsets} --stores keep. To start over: millrace reset FILE --to earliest --stores delete.`;
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
 * STATE_MISMATCH: if a store contains records that are about to be processed again, they would count twice.
 * The same can happen if the group has no offset at all.
 */
export function checkNotAhead(state: DirectoryOf, places: ResumePositions): void {
  const contained = containedIn(state, places);
  const ahead = contained.find(
    // If it contains nothing of a source that is read from its beginning, no record can count twice.
    ({ upTo, offset, committed, begun }) => upTo > offset || !(committed || begun || offset === 0),
  );
  if (ahead === undefined) return;
  const { topic, upTo } = ahead;
  throw new OffsetsLost(
    {
      what: `the state contains ${topic} up to offset ${upTo}, and the group has committed less`,
      at: state.directory,
      saw: seenOf(ahead),
      expected: `at least ${upTo}`,
      reason: "The group's offsets were moved back, or the brokers have lost them.",
    },
    behindOf(places, new Map(contained.map((at) => [at.topic, at.upTo]))),
  );
}

/**
 * The task's sources that are to be set after what is processed. None is moved back. An offset that a task
 * has committed itself stays, unless the rows contain more.
 */
function behindOf(places: ResumePositions, done: ReadonlyMap<string, number>): readonly PartitionOffset[] {
  return places.own.flatMap(({ topic, partition, offset, committed, ownCommit }) => {
    const behind = done.get(topic);
    if (behind === undefined || (committed && ownCommit && behind <= offset)) return [];
    return [{ topic, partition, offset: committed ? Math.max(behind, offset) : behind }];
  });
}

/**
 * The sources in which the group has lost its position, and would begin after what the state on this machine
 * contains.
 */
export const lostPositions = (state: DirectoryOf, places: ResumePositions): readonly LostOffset[] =>
  containedIn(state, places).flatMap(({ topic, partition, upTo, offset: begins, begun }) =>
    begun && upTo < begins ? [{ topic, partition, behind: upTo, begins }] : [],
  );

const seenOf = ({ offset, committed }: ResumePosition): string =>
  committed ? `committed offset ${offset}` : `no committed offset; it would be read from ${offset} on`;

/** STATE_MISMATCH: offsets that were committed together contradict the source's own offset. */
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
    // No record of a source without an offset may be skipped either: a missing one was in no commit.
    if (before === undefined || (place.committed ? before <= offset : before === offset)) continue;
    throw new OffsetsLost(
      {
        what: `the group's offset of ${topic}[${partition}] does not fit those that were committed with it`,
        at: `task ${taskId}`,
        saw: seenOf(place),
        expected: `offset ${before}`,
      },
      behindOf(places, known),
    );
  }
}

/**
 * Whether rows of a task with several sources cannot be judged by their causes: no commit of the task shows
 * its position in each of them.
 */
export const isDoubtful = (places: ResumePositions, committed: readonly PartitionOffset[]): boolean =>
  places.own.length > 1 && !committed.some(tellsOfAll);

/**
 * STATE_MISMATCH: rows come from records of several sources, and the position in one of them is unknown. A
 * row only names the last record that caused it, so progress in other sources is known from the offsets
 * alone.
 */
export async function checkDoubtful(
  { id, partition }: { readonly id: string; readonly partition: number },
  { admin }: Pick<Broker, 'admin'>,
  places: ResumePositions,
  committed: readonly PartitionOffset[],
): Promise<void> {
  const known = new Set(committed.filter(isOwnCommit).map(({ topic }) => topic));
  const doubtful = places.own.filter(({ topic }) => !known.has(topic));
  const ends = await admin.latestOffsets(doubtful);
  for (const { topic, offset: end } of ends) {
    const place = places.of(topic);
    // None of its records would be read a second time.
    if (place === undefined || place.offset >= end) continue;
    throw new OffsetsLost(
      {
        what: `the stores were made from several sources, and the position in ${topic}[${partition}] is not known`,
        at: `task ${id}`,
        saw: `${place.committed ? `offset ${place.offset}, which no task has committed` : seenOf(place)}: records may count twice`,
        expected: 'offsets that the application has committed',
      },
      ends,
      ends,
    );
  }
}

/** A source that was read, and for which the group no longer has an offset. */
export interface LostOffset extends TopicPartition {
  /** The offset after the last record that is known to be processed. */
  readonly behind: number;
  /** The offset at which reading would begin. */
  readonly begins: number;
}

/**
 * STATE_MISMATCH: records that may not have been processed would be skipped, as under `startFrom: 'latest'`.
 * If they can no longer be read, or there are none, the rows are kept, with a warning.
 */
export async function checkPassedOver(
  { id, partition }: { readonly id: string; readonly partition: number },
  broker: Broker,
  lost: readonly LostOffset[],
  logger: Logger,
): Promise<void> {
  if (lost.length === 0) return;
  const firsts = offsetsOf(await broker.admin.earliestOffsets(lost));
  const unread = new Map(lost.map(({ topic, behind }) => [topic, Math.max(behind, firsts.get(topic) ?? 0)]));
  for (const { topic, behind, begins } of lost) {
    const source = `${topic}[${partition}]`;
    const from = { topic, partition, offset: unread.get(topic) as number };
    // The marker of a transaction is no record.
    if (from.offset < begins && (await firstBetween(broker, [from], [{ ...from, offset: begins }])) !== undefined)
      throw new OffsetsLost(
        {
          what: `the group has no offset of ${source} any more, and its records were processed`,
          at: `task ${id}`,
          saw: `the records before offset ${behind} in the stores or the directory, and a start at ${begins}: records would be skipped`,
          expected: `a committed offset of ${from.offset}`,
        },
        Array.from(unread, ([name, offset]) => ({ topic: name, partition, offset })),
      );
    const between =
      behind < begins ? ', and the records between no longer exist: they may never have been processed' : '';
    logger.warn(
      { task: id, topic, partition },
      `the group has no offset of ${source} any more; the stores keep the rows made from its records before offset ${behind}, and reading continues at offset ${begins}${between}`,
    );
  }
}

/**
 * Warns if a task without stores reads a source again although its other sources show how far it was: no
 * record is skipped.
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
