import { type BrokerRecord, partitionKey } from '../../broker/port.js';
import type { Topology } from '../../dsl/contract/processor.js';
import { StreamsError } from '../../model/errors.js';
import type { SourcePosition } from '../../model/record.js';
import { framePast, Past, type PastFrame, sliceOf, withPast } from '../past/past.js';
import type { PastOptions, PastSlice } from '../past/past-options.js';
import type { Moment } from '../slice/moment.js';
import { type Trace, Tracer } from './tracer.js';

export interface TraceOptions extends PastOptions, PastSlice {
  /** The record to follow. Give either this or `key`. */
  readonly at?: SourcePosition;
  /** The key of source records; all records with this key are followed. */
  readonly key?: unknown;
}

/**
 * Follows source records through the topology: which operators received them, what these read, wrote and
 * emitted, where a record ended and why. Follows one record, or all records with a key, up to `until`.
 *
 * The state is the one at the record's own time, which a replay up to that record restores. If one record is
 * followed, the replay begins with the latest snapshot before it.
 *
 * Errors: USAGE if neither or both are given; OFFSET_OUT_OF_RANGE if there is no such record.
 *
 * ```ts no-run
 * for await (const { event, steps } of trace(shop, { broker, at: { topic: 'payments', partition: 0, offset: 42 } }))
 *   console.log(event.eventId, steps);
 * ```
 */
export async function* trace(topology: Topology, options: TraceOptions): AsyncGenerator<Trace> {
  const { at, key } = options;
  if ((at === undefined) === (key === undefined)) {
    throw new StreamsError('USAGE', {
      what: 'cannot tell which record to follow',
      saw: at === undefined ? 'neither a position nor a key' : 'both a position and a key',
      expected: 'one of them',
      action: 'Give the position of a record, or the key of several.',
    });
  }
  const frame = await framePast(topology, options);
  if (at) {
    yield await traceRecord(frame, at, options.from);
    return;
  }
  const bytes = await frame.serdes.keyBytes(topology, key);
  const follows = (record: BrokerRecord): boolean =>
    record.key !== null && bytes.get(record.topic)?.equals(record.key) === true;
  const tracer = new Tracer(frame, follows);
  const { from, until } = options;
  const plan = { ...(from && { from }), ...(until && { until }), watcher: tracer };
  const past = await Past.open(frame, plan);
  try {
    for (let some = await past.next(); some.length > 0; some = await past.next()) {
      await past.process(some);
      yield* await tracer.take();
    }
  } finally {
    await past.close();
  }
}

/** Follows one record. `from` is where the history begins; default: at its beginning. */
export async function traceRecord(frame: PastFrame, at: SourcePosition, from?: Moment): Promise<Trace> {
  await checkThere(frame, at);
  const tracer = new Tracer(
    frame,
    ({ topic, partition, offset }) => topic === at.topic && partition === at.partition && offset === at.offset,
  );
  // Up to that record in its partition; the other partitions go as far as the merged order has come by then.
  const until = { kind: 'offset' as const, offsets: [{ ...at, offset: at.offset + 1 }] };
  const plan = {
    ...(from && { from }),
    until,
    watcher: tracer,
    beginWith: from
      ? undefined
      : <T extends { positions: readonly SourcePosition[] }>(usable: readonly T[]): T | undefined =>
          usable.findLast(({ positions }) =>
            positions.some(
              ({ topic, partition, offset }) => topic === at.topic && partition === at.partition && offset <= at.offset,
            ),
          ),
  };
  const [found] = await withPast(frame, plan, async (past) => {
    await past.toEnd();
    return tracer.take();
  });
  if (found) return found;
  throw new StreamsError('OFFSET_OUT_OF_RANGE', {
    what: 'there is no record at this offset',
    at: `${at.topic}[${at.partition}]@${at.offset}`,
    saw: 'no record: compaction has removed it, or the offset is a transaction marker',
    action: 'Choose the offset of a record, as millrace consume shows them.',
  });
}

async function checkThere(frame: PastFrame, { topic, partition, offset }: SourcePosition): Promise<void> {
  const slice = await sliceOf(frame, {});
  const part = slice.parts.find((each) => partitionKey(each.topic, each.partition) === partitionKey(topic, partition));
  if (!part) {
    throw new StreamsError('USAGE', {
      what: 'the record is of a partition that the topology does not read',
      saw: `${topic}[${partition}]`,
      expected: slice.parts.map((each) => `${each.topic}[${each.partition}]`).join(', '),
      action: 'Name a partition of a source topic.',
    });
  }
  if (offset >= part.earliest && offset < part.latest) return;
  throw new StreamsError('OFFSET_OUT_OF_RANGE', {
    what: 'there is no record at this offset',
    at: `${topic}[${partition}]@${offset}`,
    saw:
      part.latest === part.earliest
        ? 'an empty partition'
        : `records from offset ${part.earliest} to ${part.latest - 1}`,
    action: 'Choose the offset of a record, as millrace consume shows them.',
  });
}
