import type { Broker, BrokerRecord, TopicPartition } from '../../broker/port.js';
import { isStreamsError, StreamsError } from '../../model/errors.js';
import { silentLogger } from '../../model/ports.js';
import { systemClock } from '../config/system.js';
import { KnownEnds } from '../poll/known-ends.js';

const MAX_RECORDS = 1_000;
/** Enough for a fast reading; small, because all of a poll is in memory. */
const MAX_BYTES = 4 * 1024 * 1024;
const WAIT_MS = 500;

/** Offsets of one partition: from the first to before the last. */
export interface LogRange extends TopicPartition {
  readonly from: number;
  readonly to: number;
}

/**
 * The records of a partition between two offsets, in batches. Records that retention removes meanwhile are
 * left out, and so are those after an end that the log has lost. Memory: one poll, of at most 4 MiB or one
 * record.
 *
 * Errors: STOPPED if the signal is aborted, and those of the broker.
 */
export async function* readRange(
  broker: Broker,
  { topic, partition, from, to }: LogRange,
  signal?: AbortSignal,
): AsyncGenerator<readonly BrokerRecord[]> {
  if (from >= to) return;
  const reader = await broker.createReader();
  const awaited = { topic, partition, end: to };
  const ends = new KnownEnds({ admin: broker.admin, clock: systemClock, logger: silentLogger });
  const wakeUp = (): void => reader.wakeup();
  signal?.addEventListener('abort', wakeUp, { once: true });
  let position = from;
  try {
    reader.seek({ topic, partition, offset: position });
    while (position < awaited.end) {
      if (signal?.aborted) throw stoppedReading(topic);
      const batches = await orRemoved(
        reader.poll({ maxRecords: MAX_RECORDS, maxBytes: MAX_BYTES, maxWaitMs: WAIT_MS }),
      );
      if (batches === undefined) {
        const [first] = await broker.admin.earliestOffsets([{ topic, partition }]);
        if (first === undefined || first.offset <= position) throw lostEnd(topic, partition, position);
        position = first.offset;
        reader.seek({ topic, partition, offset: position });
        continue;
      }
      for (const { records, nextOffset } of batches) {
        position = nextOffset;
        const inside = records.filter(({ offset }) => offset < awaited.end);
        if (inside.length > 0) yield inside;
      }
      if (batches.length > 0) ends.rest();
      else ends.askFor(() => [awaited], wakeUp);
    }
  } finally {
    signal?.removeEventListener('abort', wakeUp);
    await reader.close();
  }
}

/** Undefined if the records at the position are gone. */
async function orRemoved<T>(polled: Promise<T>): Promise<T | undefined> {
  try {
    return await polled;
  } catch (error) {
    if (isStreamsError(error) && error.code === 'OFFSET_OUT_OF_RANGE') return undefined;
    throw error;
  }
}

const stoppedReading = (topic: string): StreamsError =>
  new StreamsError('STOPPED', { what: 'the reading was stopped', at: topic, action: 'Read it again.' });

const lostEnd = (topic: string, partition: number, position: number): StreamsError =>
  new StreamsError('OFFSET_OUT_OF_RANGE', {
    what: 'a log has lost its end while it was read',
    at: `${topic}[${partition}]@${position}`,
    action: 'Read it again.',
  });
