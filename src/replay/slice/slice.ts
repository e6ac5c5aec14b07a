import { type Broker, type PartitionOffset, partitionKey, type TopicPartition } from '../../broker/port.js';
import { StreamsError } from '../../model/errors.js';
import type { Moment, OffsetOf } from './moment.js';

/** One partition of a slice. */
export interface SlicePart extends TopicPartition {
  /** First offset that is read. */
  readonly from: number;
  /** One past the last. */
  readonly to: number;
  /** First offset that the log still has. */
  readonly earliest: number;
  /** The end of the log when the slice was cut. */
  readonly latest: number;
  /** Older values of a key may be gone, at any offset. */
  readonly compacted: boolean;
}

/** A part of the past: the records to read, for each source partition. */
export interface Slice {
  readonly parts: readonly SlicePart[];
  /**
   * The partitions that the end names, if it names some but not all. The slice then ends when these are at
   * their ends; the others end where the merged order has come by then.
   */
  readonly endsWith: readonly string[] | undefined;
  /** The last moment of the slice, if it ends with one. */
  readonly until?: number | undefined;
  /** Internal inputs begin where the sources do: see {@link LaterRecords}. */
  readonly inputsFollow?: boolean;
}

/** What is missing in the history of a partition. */
export interface HistoryGap extends TopicPartition {
  /** The first available offset; 0 if the beginning is there, or if a snapshot covers it. */
  readonly earliest: number;
  /** Earlier values of its keys may be gone, at any offset. */
  readonly compacted: boolean;
}

/**
 * Cuts a slice out of source topics: offsets for each partition, as they are now. Records that are appended
 * later are not part of it.
 *
 * Errors: OFFSET_OUT_OF_RANGE for an offset that the log does not hold, or a moment before its first record;
 * USAGE for a partition that no source has.
 */
export async function cutSlice(
  broker: Broker,
  partitions: readonly TopicPartition[],
  { from, until, now, inputs = new Set() }: SliceBounds,
): Promise<Slice> {
  const topics = [...new Set(partitions.map(({ topic }) => topic))];
  // The ends of internal inputs come first: so the sources end behind all places that their records name.
  const latestInputs = await broker.admin.latestOffsets(partitions.filter(({ topic }) => inputs.has(topic)));
  const [earliest, latestSources, described] = await Promise.all([
    broker.admin.earliestOffsets(partitions),
    broker.admin.latestOffsets(partitions.filter(({ topic }) => !inputs.has(topic))),
    broker.admin.describeTopics(topics),
  ]);
  const compacted = new Set(
    described.filter(({ config }) => config?.['cleanup.policy']?.includes('compact')).map(({ name }) => name),
  );
  const bounds: Bounds = { partitions, earliest: byKey(earliest), latest: byKey([...latestInputs, ...latestSources]) };
  const starts = await positions(broker, from, 'start', bounds, now);
  const ends = await positions(broker, until, 'end', bounds, now);
  const byPlace = ({ kind }: Moment, topic: string): boolean => kind !== 'offset' && inputs.has(topic);
  const parts = partitions.map(({ topic, partition }): SlicePart => {
    const key = partitionKey(topic, partition);
    const [low, high] = [bounds.earliest.get(key) ?? 0, bounds.latest.get(key) ?? 0];
    const start = (byPlace(from, topic) ? undefined : starts.get(key)) ?? low;
    const end = (byPlace(until, topic) ? undefined : ends.get(key)) ?? high;
    return {
      topic,
      partition,
      from: start,
      to: Math.max(start, end),
      earliest: low,
      latest: high,
      compacted: compacted.has(topic),
    };
  });
  const sources = parts.filter(({ topic }) => !inputs.has(topic));
  if (until.kind === 'time' || until.kind === 'ago') checkNotBefore(sources, ends, until, now);
  const named = until.kind === 'offset' ? until.offsets.map((at) => partitionKey(at.topic, at.partition)) : [];
  return {
    parts,
    endsWith: named.length > 0 && named.length < partitions.length ? named : undefined,
    until: timeOf(until, now),
    inputsFollow: from.kind !== 'earliest' && inputs.size > 0,
  };
}

/** What {@link cutSlice} cuts out. */
export interface SliceBounds {
  readonly from: Moment;
  readonly until: Moment;
  readonly now: number;
  /**
   * Topics of internal inputs. Unless an offset names them, the places of their records among those of the
   * sources decide whether they belong to the slice.
   */
  readonly inputs?: ReadonlySet<string>;
}

/**
 * Partitions with missing history. Either the log no longer begins at the beginning, unless a snapshot covers
 * it. Or the topic is compacted; a snapshot does not help then, because it was made from such a log, and
 * later records may be compacted as well.
 */
export const historyGaps = ({ parts }: Slice, beginningIsKnown = false): readonly HistoryGap[] =>
  parts
    .map(({ topic, partition, earliest, compacted }) => ({
      topic,
      partition,
      earliest: beginningIsKnown ? 0 : earliest,
      compacted,
    }))
    .filter(({ earliest, compacted }) => earliest > 0 || compacted);

interface Bounds {
  readonly partitions: readonly TopicPartition[];
  readonly earliest: ReadonlyMap<string, number>;
  readonly latest: ReadonlyMap<string, number>;
}

const byKey = (offsets: readonly PartitionOffset[]): ReadonlyMap<string, number> =>
  new Map(offsets.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]));

/** Time of a moment; undefined if the moment is not a time. */
const timeOf = (moment: Moment, now: number): number | undefined =>
  moment.kind === 'time' ? moment.time : moment.kind === 'ago' ? now - moment.ms : undefined;

async function positions(
  broker: Broker,
  moment: Moment,
  side: 'start' | 'end',
  bounds: Bounds,
  now: number,
): Promise<ReadonlyMap<string, number>> {
  const { partitions, earliest, latest } = bounds;
  if (moment.kind === 'earliest') return earliest;
  if (moment.kind === 'latest') return latest;
  const time = timeOf(moment, now);
  // The end includes the time itself.
  if (time !== undefined) return byKey(await broker.admin.offsetsAt(partitions, side === 'start' ? time : time + 1));
  const { offsets } = moment as Extract<Moment, { kind: 'offset' }>;
  for (const at of offsets) checkOffset(at, side, bounds);
  const named = offsets.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset] as const);
  return new Map([...(side === 'start' ? earliest : latest), ...named]);
}

function checkOffset({ topic, partition, offset }: OffsetOf, side: 'start' | 'end', bounds: Bounds): void {
  const key = partitionKey(topic, partition);
  const [low, high] = [bounds.earliest.get(key), bounds.latest.get(key)];
  if (low === undefined || high === undefined) {
    throw new StreamsError('USAGE', {
      what: 'an offset is of a partition that the topology does not read',
      saw: `${topic}[${partition}]`,
      expected: [...bounds.earliest.keys()].map((name) => name.replace(/:(\d+)$/, '[$1]')).join(', '),
      action: 'Name partitions of these topics.',
    });
  }
  if (offset <= high && offset >= low) return;
  throw new StreamsError('OFFSET_OUT_OF_RANGE', {
    what: `cannot ${side === 'start' ? 'begin' : 'end'} there`,
    at: `${topic}[${partition}]@${offset}`,
    saw: `records from offset ${low} up to ${high}`,
    expected: `an offset from ${low} to ${high}`,
    action: offset < low ? 'Older records are gone; a snapshot may hold their results.' : 'Correct the offset.',
  });
}

function checkNotBefore(
  parts: readonly SlicePart[],
  ends: ReadonlyMap<string, number>,
  until: Moment,
  now: number,
): void {
  const before = parts.every(
    ({ topic, partition, earliest }) => (ends.get(partitionKey(topic, partition)) ?? 0) <= earliest,
  );
  if (!before || parts.every(({ earliest, latest }) => earliest === latest)) return;
  throw new StreamsError('OFFSET_OUT_OF_RANGE', {
    what: 'there is no record up to that time',
    saw: new Date(timeOf(until, now) as number).toISOString(),
    expected: `a time at or after the first record of ${parts.map(({ topic, partition }) => `${topic}[${partition}]`).join(', ')}`,
    action: 'Choose a later time.',
  });
}
