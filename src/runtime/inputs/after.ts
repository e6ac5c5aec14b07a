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

/** `orders-0@42 payments-0@7`: next offsets. Names of topics contain neither `@` nor blanks. */
const textOf = (positions: readonly PartitionOffset[]): string =>
  positions.map(({ topic, partition, offset }) => `${topic}-${partition}@${offset}`).join(' ');

const POSITION = /^(.+)-(\d+)@(\d+)$/;

export const withAfter = (headers: Headers, positions: readonly PartitionOffset[]): Headers =>
  headers.with(AFTER_HEADER, textOf(positions));

/**
 * The positions that a record of an internal input waits for. Undefined: it waits for none. Anyone who may
 * write to the topic writes the header: what does not parse is left out.
 */
export function afterOf(headers: Headers): readonly PartitionOffset[] | undefined {
  const text = headers.text(AFTER_HEADER);
  if (text === undefined) return undefined;
  return text.split(' ').flatMap((part) => {
    const [, topic, partition, offset] = POSITION.exec(part) ?? [];
    return topic === undefined ? [] : [{ topic, partition: Number(partition), offset: Number(offset) }];
  });
}

export const withoutAfter = (headers: Headers): Headers => headers.without(AFTER_HEADER);
