import { type Duration, durationMs } from '../../model/duration.js';
import { type CountWindows, invalid } from './windows.js';

export interface EveryNOptions {
  /**
   * How long a key without records is remembered, in stream time. After that its count starts again. Default:
   * for ever.
   */
  readonly retention?: Duration;
}

/**
 * A window for every n records of a key, whatever their timestamps. `start` and `end` count the records of
 * the key; the first window is [0, n).
 *
 * ```ts
 * readings.pipe(reduce({ store: 'maxima', value: serdes.double, window: everyN(100), add: (a, b) => Math.max(a, b), emit: 'onClose' }));
 * ```
 *
 * A window closes with its nth record, and is emitted then if `emit` is `onClose`. No record is late, so
 * `late` and `closeAfter` are rejected. State: one row per key, with the window that is being filled. A full
 * window leaves the store when the next one begins, so the table has no window rows to join with. To join
 * them, store the result with toStream() and toTable(). `retention` counts from the highest timestamp in the
 * window. Duplicates count as records: put {@link dedupe} before. CONFIG_INVALID if n is not an integer of at
 * least 1. Kafka Streams has no such windows.
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
    // Stream time never closes it.
    closesAfterMs: Number.POSITIVE_INFINITY,
    retentionMs:
      retention === undefined ? Number.POSITIVE_INFINITY : durationMs(retention, `retention of ${label} windows`),
  };
}
