import { StreamsError } from '../model/errors.js';
import { show } from '../model/text/show.js';

/** Where a letter is in the dead letter topic. */
export interface LetterPosition {
  readonly partition: number;
  readonly offset: number;
}

const ID = /^(\d{1,10})@(\d{1,16})$/;

/** Whether a text has the form of the id of a letter. */
export const isLetterId = (text: string): boolean => ID.test(text);

/** The id of a letter: `PARTITION@OFFSET`. */
export const letterId = ({ partition, offset }: LetterPosition): string => `${partition}@${offset}`;

/** Reads the id of a letter. Errors: USAGE for any other text. */
export function parseLetterId(text: string): LetterPosition {
  const [, partition, offset] = ID.exec(text) ?? [];
  const at = { partition: Number(partition), offset: Number(offset) };
  if (Number.isSafeInteger(at.partition) && Number.isSafeInteger(at.offset)) return at;
  throw new StreamsError('USAGE', {
    what: 'cannot read the id of a letter',
    saw: show(text),
    expected: 'PARTITION@OFFSET, for example 0@17',
    action: 'Take an id from the list of letters.',
  });
}

/** Whether one position is before the other, in the order in which letters are listed. */
export const isBefore = (a: LetterPosition, b: LetterPosition): boolean =>
  a.partition < b.partition || (a.partition === b.partition && a.offset < b.offset);

/** The order in which letters are listed, for a sort. */
export const byPosition = (a: LetterPosition, b: LetterPosition): number =>
  a.partition - b.partition || a.offset - b.offset;
