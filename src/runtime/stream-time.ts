import type { PartitionOffset } from '../broker/port.js';

/**
 * A task's stream time travels as metadata of the offsets it commits, so that it is known again wherever the task is opened, also without a store. Kafka Streams does the same (KIP-622). Format 1: `1:` and milliseconds.
 */
const FORMAT = '1:';

export const withStreamTime = (
  positions: readonly PartitionOffset[],
  streamTime: number,
): readonly PartitionOffset[] =>
  Number.isFinite(streamTime)
    ? positions.map((position) => ({ ...position, metadata: `${FORMAT}${streamTime}` }))
    : positions;

/** The highest stream time among committed offsets; negative infinity if none says one. */
export function streamTimeOf(committed: readonly PartitionOffset[]): number {
  const times = committed.map(({ metadata }) =>
    metadata?.startsWith(FORMAT) ? Number(metadata.slice(FORMAT.length)) : Number.NaN,
  );
  return Math.max(Number.NEGATIVE_INFINITY, ...times.filter(Number.isFinite));
}
