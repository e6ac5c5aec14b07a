import type { Broker, PartitionOffset } from '../broker/port.js';
import { StreamsError } from '../model/errors.js';
import type { Logger } from '../model/ports.js';
import type { TaskState } from '../state/task-state.js';
import { isOwnCommit, knownProgress, tellsOfAll } from './commit-marks.js';
import type { SourcePlaces } from './source-places.js';

/** What can be done when the group's offsets and the rows do not fit together. `behind`: the offset behind the rows, by topic. */
export function goOnOrBeginAnew(behind: ReadonlyMap<string, number>, partition: number): string {
  const offsets = Array.from(behind, ([topic, offset]) => `${topic}:${partition}=${offset}`).join(',');
  return `Brokers forget the offsets of a group that has no member for a week (offsets.retention.minutes). To go on with the rows as they are, stop the application and put the group behind them: millrace reset FILE --to offset:${offsets} --stores keep. To begin anew: millrace reset FILE --to earliest --stores delete.`;
}

/** STATE_MISMATCH: a store that contains records which are about to be processed again would count them twice. */
export function checkNotAhead(
  state: Pick<TaskState, 'directory' | 'checkpoint'>,
  partition: number,
  sources: readonly string[],
  committed: ReadonlyMap<string, number>,
): void {
  const contained = Object.entries(state.checkpoint.sources).filter(([topic]) => sources.includes(topic));
  for (const [topic, offset] of contained) {
    const known = committed.get(topic);
    if (known !== undefined && known >= offset) continue;
    throw new StreamsError('STATE_MISMATCH', {
      what: `the state contains ${topic} up to offset ${offset}, and the group has committed less`,
      at: state.directory,
      saw: known === undefined ? 'no committed offset' : `committed offset ${known}`,
      expected: `at least ${offset}`,
      action: `The group's offsets were moved back, or the brokers have lost them. ${goOnOrBeginAnew(new Map(contained), partition)}`,
    });
  }
}

/** STATE_MISMATCH: offsets that were committed together say that a source was elsewhere than its own offset says. */
export function checkAllCommitted(
  taskId: string,
  partition: number,
  places: SourcePlaces,
  committed: readonly PartitionOffset[],
): void {
  const known = knownProgress(committed);
  for (const { topic, offset, committed: isCommitted } of places.own) {
    const before = known.get(topic);
    // Of one that is gone, nothing may be passed over either: what is missing there was in no commit.
    if (before === undefined || (isCommitted ? before <= offset : before === offset)) continue;
    throw new StreamsError('STATE_MISMATCH', {
      what: `the group's offset of ${topic}[${partition}] does not fit those that were committed with it`,
      at: `task ${taskId}`,
      saw: isCommitted ? `committed offset ${offset}` : `no committed offset; it would be read from ${offset} on`,
      expected: `offset ${before}`,
      action: goOnOrBeginAnew(new Map([[topic, before]]), partition),
    });
  }
}

/** Whether rows of a task with several sources cannot be judged by their causes: nobody who has committed its offsets tells how far it was in each. */
export const isDoubtful = (places: SourcePlaces, committed: readonly PartitionOffset[]): boolean =>
  places.own.length > 1 && !committed.some(tellsOfAll);

/**
 * STATE_MISMATCH: rows follow from records of several sources, and of one of these nobody can say how far it was. A row
 * names only the last record that it follows from; so what was done of another source is known from the offsets alone.
 */
export async function checkDoubtful(
  { id, partition }: { readonly id: string; readonly partition: number },
  { admin }: Pick<Broker, 'admin'>,
  places: SourcePlaces,
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
      saw: `${place.committed ? `offset ${place.offset}, which no task has committed` : `no committed offset; it would be read from ${place.offset} on`}: records may count twice`,
      expected: 'offsets that the application has committed',
      action: goOnOrBeginAnew(
        new Map(places.own.map((own) => [own.topic, own.topic === topic ? end : own.offset])),
        partition,
      ),
    });
  }
}

/** Rows follow from records of sources without an offset, and none of these can be read again: they are kept. */
export function warnOfLostOffsets(
  logger: Logger,
  task: { readonly id: string; readonly partition: number },
  lost: readonly { readonly topic: string; readonly highest: number; readonly begins: number }[],
): void {
  for (const { topic, highest, begins } of lost)
    logger.warn(
      { task: task.id, topic, partition: task.partition },
      `the group has no offset of ${topic}[${task.partition}] any more; the stores keep what follows from its records up to offset ${highest}, and it is read on from offset ${begins}: what lies between may never have been processed`,
    );
}
