import { readRange } from '../runtime/ledger/read-range.js';
import { type Letter, letterOf } from './letter.js';
import { byPosition, type LetterPosition, letterId } from './letter-id.js';
import type { LetterOptions, LetterTopic } from './letter-topic.js';
import type { OpenLetter } from './open-letters.js';

/** Letters that are closer than this are read together. */
const NEAR = 500;

/** These letters with their records, in the order of the topic. Those that are gone are left out. */
export async function readLetters(
  { broker, signal }: LetterOptions,
  topic: LetterTopic,
  letters: readonly OpenLetter[],
): Promise<readonly Letter[]> {
  const sorted = letters.toSorted(byPosition);
  const states = new Map(sorted.map((letter) => [letterId(letter), letter.state]));
  const found: Letter[] = [];
  for (let first = 0; first < sorted.length; ) {
    let last = first;
    while (last + 1 < sorted.length && areNear(sorted[last] as LetterPosition, sorted[last + 1] as LetterPosition))
      last++;
    const { partition, offset: from } = sorted[first] as LetterPosition;
    const range = { topic: topic.name, partition, from, to: (sorted[last] as LetterPosition).offset + 1 };
    for await (const records of readRange(broker, range, signal))
      for (const record of records) {
        const state = states.get(letterId(record));
        if (state) found.push(letterOf(record, state, topic.stamped));
      }
    first = last + 1;
  }
  return found;
}

const areNear = (a: LetterPosition, b: LetterPosition): boolean =>
  a.partition === b.partition && b.offset - a.offset <= NEAR;
