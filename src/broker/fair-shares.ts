import type { BrokerRecord, RecordBatch } from './port.js';

/**
 * The most bytes that a poll returns: sixteen times what is read ahead of a partition. The limit is not
 * higher, because the caller may have as many tasks as a cluster has partitions.
 */
export const POLL_BYTES = 16 * 1024 * 1024;

/** A position in a partition, as a poll reads from it. */
export interface PolledCursor {
  /** Decoded records are available. */
  readonly hasDecoded: boolean;
  /** The position has moved without records since the last {@link batch}. */
  readonly hasMoved: boolean;
  /** Bytes taken from this partition during this poll. */
  readonly takenBytes: number;
  /** Whether more records follow those already taken in this poll. Never throws. */
  more(): boolean;
  /** Takes up to `max` decoded records: at least one, and no further ones once they reach `maxBytes`. */
  take(max: number, maxBytes: number): readonly BrokerRecord[];
  /** The batch that a poll returns for this partition. */
  batch(records: readonly BrokerRecord[]): RecordBatch;
}

/**
 * Takes up to `maxRecords` records from partitions that have any, in fair shares, and stops once they reach
 * `maxBytes`. `turn` counts polls, so that each poll starts with another partition. The first partition gets
 * the remainder of an uneven share, and one record however large it is.
 */
export function takeFairly(
  ready: readonly PolledCursor[],
  maxRecords: number,
  turn: number,
  maxBytes = POLL_BYTES,
): RecordBatch[] {
  if (ready.length === 0) return [];
  const start = turn % ready.length;
  const inTurn = [...ready.slice(start), ...ready.slice(0, start)];
  const taken = inTurn.map((): (readonly BrokerRecord[])[] => []);
  let left = maxRecords;
  let leftBytes = Math.min(maxBytes, POLL_BYTES);
  // Two rounds: what some partitions leave of their share goes to those that have more.
  for (let round = 0; round < 2; round++) {
    inTurn.forEach((cursor, i) => {
      const others = round === 1 ? 1 : inTurn.length - i;
      let share = Math.ceil(left / others);
      let shareBytes = leftBytes / others;
      while (share > 0 && shareBytes > 0 && (cursor.hasDecoded || cursor.more())) {
        const before = cursor.takenBytes;
        const records = cursor.take(share, shareBytes);
        const bytes = cursor.takenBytes - before;
        taken[i]?.push(records);
        share -= records.length;
        left -= records.length;
        shareBytes -= bytes;
        leftBytes -= bytes;
      }
    });
  }
  return inTurn.flatMap((cursor, i) => {
    const parts = taken[i] as (readonly BrokerRecord[])[];
    // This partition had records, but the poll was full.
    if (parts.length === 0 && !cursor.hasMoved) return [];
    return cursor.batch(parts.length === 1 ? (parts[0] as readonly BrokerRecord[]) : parts.flat());
  });
}
