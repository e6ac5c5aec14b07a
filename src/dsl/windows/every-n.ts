import { type Duration, durationMs } from '../../model/duration.js';
import { type CountWindows, invalid } from './windows.js';

export interface EveryNOptions {
  /**
   * How long a key without records is remembered, in stream time: then its count begins anew. Default: for
   * ever.
   */
  readonly retention?: Duration;
}

/**
 * A window for every so many records of a key, whatever their timestamps: `start` and `end` count the records
 * of the key, from [0, n) on.
 *
 * ```ts
 * readings.pipe(reduce({ store: 'maxima', value: serdes.double, window: everyN(100), add: (a, b) => Math.max(a, b), emit: 'onClose' }));
 * ```
 *
 * A window closes with its nth record, and is emitted then if `emit` is `onClose`. No record is late, so
 * `late` and `closeAfter` are refused. State: one row a key, with the window that is being filled; a window
 * that is full leaves the store when the next one begins, so the table has no rows of windows to be joined
 * with: materialise it with toStream() and toTable(). `retention` counts from the highest timestamp in the
 * window. Duplicates are records: put {@link dedupe} before. CONFIG_INVALID for anything but a whole number
 * of at least 1. Kafka Streams has no such windows.
 */
export function everyN(count: number, { retention }: EveryNOptions = {}): CountWindows {
  if (!(Number.isSafeInteger(count) && count > 0)) {
    throw invalid(
      'a window of records has no usable size',
      String(count),
      'a whole number of at least 1',
      'Say how many records it takes.',
    );
  }
  const label = `every ${count}`;
  return {
    kind: 'count',
    label,
    records: count,
    // No stream time closes it.
    closesAfterMs: Number.POSITIVE_INFINITY,
    retentionMs:
      retention === undefined ? Number.POSITIVE_INFINITY : durationMs(retention, `retention of ${label} windows`),
  };
}
