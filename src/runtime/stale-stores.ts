import { type Compaction, DELETE_RETENTION_MS, type TopicDescription } from '../broker/port.js';
import { formatMs } from '../model/duration.js';
import type { Checkpoint, ReadLog } from '../state/checkpoint.js';

/** A log as it is now, that a store on this machine may have been read from before. */
export interface LogNow {
  /** Undefined: the broker gives none. */
  readonly topicId: string | undefined;
  /** Undefined: deletions in it stay. */
  readonly compaction: Compaction | undefined;
  readonly first: number;
  readonly end: number;
}

/** Where a store stands in the log, as its directory says. */
export interface ReadBefore {
  readonly offset: number;
  /** Undefined: the directory does not say. */
  readonly log: ReadLog | undefined;
  /** The highest timestamp that the store had met. */
  readonly streamTime: number;
}

/** Whose configuration may not be read is taken to be as by Kafka's defaults. */
const DEFAULT_COMPACTION: Compaction = { deleteRetentionMs: DELETE_RETENTION_MS, minLagMs: 0 };

export const compactionOf = (topic: Pick<TopicDescription, 'config' | 'compaction'> | undefined) =>
  topic?.compaction ?? (topic?.config === null ? DEFAULT_COMPACTION : undefined);

/** Of the position of a store in a checkpoint. Undefined: there is none. */
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

/** It is another topic than the one that was read, of the same name. */
export const isMadeAnew = ({ log }: ReadBefore, { topicId }: LogNow): boolean =>
  log?.topicId !== undefined && topicId !== undefined && log.topicId !== topicId;

/**
 * Why a store must be read from the beginning of its log instead of going on where it was: what it holds is
 * not, or may not be, what the log held up to there. Undefined: it can go on. To be put behind the name of
 * what was read.
 *
 * A deletion goes out of a compacted topic when it is `delete.retention.ms` after the first compaction that
 * met it. None meets it before its timestamp is `min.compaction.lag.ms` old. Whoever was away for longer does
 * not learn of it, and would keep the row. The deletions of that time are taken to be no older than the
 * store's stream time: where that is behind the clock, as while old records are processed, the lag protects
 * them for less long. Of a reading that began at the beginning and was interrupted it protects nothing: a
 * compaction that came later took the row along.
 */
export function staleness(before: ReadBefore, now: LogNow, time: number): string | undefined {
  const { offset, log, streamTime } = before;
  if (log === undefined) return 'was read by a version that did not note of which topic, and when';
  if (isMadeAnew(before, now)) return 'was read from a topic that was deleted, and made anew since';
  if (offset < now.first || offset > now.end)
    return `was read up to offset ${offset}, and the topic holds ${now.first} to ${now.end}`;
  if (!now.compaction) return undefined;
  const { deleteRetentionMs, minLagMs } = now.compaction;
  const met = log.partial ? log.asOf : Math.min(log.asOf + minLagMs, Math.max(log.asOf, streamTime + minLagMs));
  if (time <= met + deleteRetentionMs) return undefined;
  return `was read ${formatMs(time - log.asOf)} ago, and the topic keeps deletions for ${formatMs(met - log.asOf + deleteRetentionMs)}`;
}
