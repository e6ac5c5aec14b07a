import { type Compaction, DELETE_RETENTION_MS, type TopicDescription } from '../../broker/port.js';
import { formatMs } from '../../model/duration.js';
import type { Checkpoint, ReadLog } from '../../state/directory/checkpoint.js';

/** The current state of a log that a store on this machine may have been read from. */
export interface LogNow {
  /** Undefined: the broker returns none. */
  readonly topicId: string | undefined;
  /** Undefined: its deletions are kept. */
  readonly compaction: Compaction | undefined;
  readonly first: number;
  readonly end: number;
}

/** The position of a store in the log, according to its directory. */
export interface ReadBefore {
  readonly offset: number;
  /** Undefined: the directory does not contain it. */
  readonly log: ReadLog | undefined;
  /** The highest timestamp that the store has seen. */
  readonly streamTime: number;
}

/** If the configuration may not be read, Kafka's defaults are assumed. */
const DEFAULT_COMPACTION: Compaction = { deleteRetentionMs: DELETE_RETENTION_MS, minLagMs: 0 };

export const compactionOf = (topic: Pick<TopicDescription, 'config' | 'compaction'> | undefined) =>
  topic?.compaction ?? (topic?.config === null ? DEFAULT_COMPACTION : undefined);

/** The position of a store in a checkpoint. Undefined: there is none. */
export function readBefore(
  { changelogs, logs, streamTimes }: Checkpoint,
  name: string,
  store = name,
): ReadBefore | undefined {
  const offset = new Map(Object.entries(changelogs)).get(name);
  if (offset === undefined) return undefined;
  const streamTime = new Map(Object.entries(streamTimes)).get(store) ?? Number.NEGATIVE_INFINITY;
  return { offset, log: logs.get(name), streamTime };
}

/** Whether the topic that was read was another one of the same name. */
export const isMadeAnew = ({ log }: ReadBefore, { topicId }: LogNow): boolean =>
  log?.topicId !== undefined && topicId !== undefined && log.topicId !== topicId;

/**
 * Why a store must be read from the beginning of its log, instead of continuing at its position: its content
 * does not, or may not, match the log up to there. Undefined: it can continue. In messages, the text follows
 * the name of what was read.
 *
 * A deletion leaves a compacted topic `delete.retention.ms` after the first compaction that met it. No
 * compaction meets it before its timestamp is `min.compaction.lag.ms` old. A store that was not read for
 * longer than that misses the deletion, and would keep the row.
 *
 * Deletions of that period are assumed to be no older than the store's stream time. If that is behind the
 * clock, as while old records are processed, the lag protects them for a shorter time. If a reading from the
 * beginning was interrupted, the lag gives no protection: a later compaction removes the row, too.
 */
export function staleness(before: ReadBefore, now: LogNow, time: number): string | undefined {
  const { offset, log, streamTime } = before;
  if (log === undefined) return 'was read by a version that did not record the topic and the time';
  if (isMadeAnew(before, now)) return 'was read from a topic that was deleted, and created again since';
  if (offset < now.first || offset > now.end)
    return `was read up to offset ${offset}, and the topic holds ${now.first} to ${now.end}`;
  if (!now.compaction) return undefined;
  const { deleteRetentionMs, minLagMs } = now.compaction;
  const met = log.partial ? log.asOf : Math.min(log.asOf + minLagMs, Math.max(log.asOf, streamTime + minLagMs));
  if (time <= met + deleteRetentionMs) return undefined;
  return `was read ${formatMs(time - log.asOf)} ago, and the topic keeps deletions for ${formatMs(met - log.asOf + deleteRetentionMs)}`;
}
