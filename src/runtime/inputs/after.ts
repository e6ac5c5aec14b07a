import type { PartitionOffset } from '../../broker/port.js';
import type { Headers } from '../../model/headers.js';

/**
 * The header of a record of an internal input that says when its turn is: after all records before these
 * positions, and before all others. Records without it follow the one before them.
 *
 * The positions are those of everything that the task had read when it noted the record: of its partitions,
 * and of the source partitions whose records came to it through repartition topics.
 */
const AFTER_HEADER = 'millrace.after';

/** `orders-0@42`: a next offset. Names of topics contain neither `@` nor blanks. */
export const positionText = ({ topic, partition, offset }: PartitionOffset): string =>
  `${topic}-${partition}@${offset}`;

const POSITION = /^(.+)-(\d+)@(\d+)$/;

/** Undefined: the text is no position. */
export function positionOf(text: string): PartitionOffset | undefined {
  const [, topic, partition, offset] = POSITION.exec(text) ?? [];
  return topic === undefined ? undefined : { topic, partition: Number(partition), offset: Number(offset) };
}

export const withAfter = (headers: Headers, positions: readonly PartitionOffset[]): Headers =>
  headers.with(AFTER_HEADER, positions.map(positionText).join(' '));

/**
 * The positions that a record of an internal input waits for. Undefined: it waits for none. Anyone who may
 * write to the topic writes the header: what does not parse is left out.
 */
export function afterOf(headers: Headers): readonly PartitionOffset[] | undefined {
  return headers
    .text(AFTER_HEADER)
    ?.split(' ')
    .flatMap((part) => positionOf(part) ?? []);
}

export const withoutAfter = (headers: Headers): Headers => headers.without(AFTER_HEADER);
