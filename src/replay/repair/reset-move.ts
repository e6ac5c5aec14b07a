import type { PartitionOffset, TopicPartition } from '../../broker/port.js';
import { markOf, type ResetMark } from '../../runtime/offsets/reset-marks.js';

/** One source partition and its new position. */
export interface ResetMove extends TopicPartition {
  /** The committed offset; null: none was committed. */
  readonly from: number | null;
  readonly to: number;
  /** The end of the log. */
  readonly latest: number;
}

/** The position of a partition before any unfinished reset. */
export const furthest = (at: PartitionOffset | undefined): number | null => {
  if (at === undefined) return null;
  const mark: ResetMark | undefined = markOf(at);
  return mark && !mark.marked && !mark.over ? Math.max(at.offset, mark.until) : at.offset;
};
