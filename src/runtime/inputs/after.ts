import type { PartitionOffset } from '../../broker/port.js';
import type { Headers } from '../../model/headers.js';

/**
 * The header of a record of an internal input that says when its turn is: after all records before these
 * positions, and before all others. A record without it has its turn at once.
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
  const at = { topic: topic ?? '', partition: Number(partition), offset: Number(offset) };
  return at.topic !== '' && Number.isSafeInteger(at.offset) ? at : undefined;
}

export const afterText = (positions: readonly PartitionOffset[]): string => positions.map(positionText).join(' ');

/** What does not parse is left out. */
export const positionsOf = (text: string): readonly PartitionOffset[] =>
  text.split(' ').flatMap((part) => positionOf(part) ?? []);

export const withAfter = (headers: Headers, after: string): Headers => headers.with(AFTER_HEADER, after);

/** The records that one commit has written have the same text. */
let last: { readonly text: string; readonly positions: readonly PartitionOffset[] } = { text: '', positions: [] };

/**
 * The positions that a record of an internal input waits for. Undefined: it waits for none. Anyone who may
 * write to the topic writes the header: what does not parse is left out.
 */
export function afterOf(headers: Headers): readonly PartitionOffset[] | undefined {
  const text = headers.text(AFTER_HEADER);
  if (text === undefined) return undefined;
  if (text !== last.text) last = { text, positions: positionsOf(text) };
  return last.positions;
}

export const withoutAfter = (headers: Headers): Headers => headers.without(AFTER_HEADER);
