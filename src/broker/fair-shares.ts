import type { BrokerRecord, RecordBatch } from './port.js';

/** A place in a partition, as a poll takes from it. */
export interface PolledCursor {
  /** Records are at hand. */
  readonly hasDecoded: boolean;
  /** It has moved without records since the last {@link batch}. */
  readonly hasMoved: boolean;
  /** Whether there are records behind those that were taken. Never throws. */
  more(): boolean;
  /** Up to `max` of the records at hand. */
  take(max: number): readonly BrokerRecord[];
  /** What a poll returns of it. */
  batch(records: readonly BrokerRecord[]): RecordBatch;
}

/**
 * Takes up to `maxRecords` of partitions that have something, in fair shares. `turn`: counts polls, so that
 * another partition goes first each time. The first gets the odd record of an uneven share.
 */
export function takeFairly(ready: readonly PolledCursor[], maxRecords: number, turn: number): RecordBatch[] {
  if (ready.length === 0) return [];
  const start = turn % ready.length;
  const inTurn = [...ready.slice(start), ...ready.slice(0, start)];
  const taken = inTurn.map((): (readonly BrokerRecord[])[] => []);
  let left = maxRecords;
  // Twice: what some partitions leave of their share goes to those that have more.
  for (let round = 0; round < 2; round++) {
    inTurn.forEach((cursor, i) => {
      let share = round === 1 ? left : Math.ceil(left / (inTurn.length - i));
      while (share > 0 && (cursor.hasDecoded || cursor.more())) {
        const records = cursor.take(share);
        taken[i]?.push(records);
        share -= records.length;
        left -= records.length;
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
