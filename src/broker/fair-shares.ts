import type { BrokerRecord, RecordBatch } from './port.js';

/**
 * Most that a poll takes: sixteen times what is read ahead of a partition. Not more, because whoever polls
 * may have as many tasks as a cluster has partitions.
 */
export const POLL_BYTES = 16 * 1024 * 1024;

/** A place in a partition, as a poll takes from it. */
export interface PolledCursor {
  /** Records are at hand. */
  readonly hasDecoded: boolean;
  /** It has moved without records since the last {@link batch}. */
  readonly hasMoved: boolean;
  /** Bytes that were taken of it in this poll. */
  readonly takenBytes: number;
  /** Whether there are records behind those that were taken, for this poll. Never throws. */
  more(): boolean;
  /** Up to `max` of the records at hand: one at least, and no more once they have `maxBytes`. */
  take(max: number, maxBytes: number): readonly BrokerRecord[];
  /** What a poll returns of it. */
  batch(records: readonly BrokerRecord[]): RecordBatch;
}

/**
 * Takes up to `maxRecords` of partitions that have something, and no more once they have `maxBytes`, in fair
 * shares. `turn`: counts polls, so that another partition goes first each time. The first gets the odd record
 * of an uneven share, and one record however large it is.
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
  // Twice: what some partitions leave of their share goes to those that have more.
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
    // It was ready with records, but the poll was full.
    if (parts.length === 0 && !cursor.hasMoved) return [];
    return cursor.batch(parts.length === 1 ? (parts[0] as readonly BrokerRecord[]) : parts.flat());
  });
}
