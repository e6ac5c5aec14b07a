import { readRange } from '../runtime/ledger/read-range.js';
import { type Letter, letterOf } from './letter.js';
import type { LetterPosition } from './letter-id.js';
import { isBefore, letterId } from './letter-id.js';
import type { LetterOptions, LetterTopic } from './letter-topic.js';
import type { Settlements } from './settlements.js';

/** Letters that are closer than this are read together. */
const NEAR = 500;

/** The letters at these positions, in the order of the topic. Those that are gone are left out. */
export async function readLetters(
  { broker, signal }: LetterOptions,
  topic: LetterTopic,
  positions: readonly LetterPosition[],
  settlements: Settlements,
): Promise<readonly Letter[]> {
  const sorted = positions.toSorted((a, b) => (isBefore(a, b) ? -1 : isBefore(b, a) ? 1 : 0));
  const asked = new Set(sorted.map(letterId));
  const found: Letter[] = [];
  for (let first = 0; first < sorted.length; ) {
    let last = first;
    while (last + 1 < sorted.length && areNear(sorted[last] as LetterPosition, sorted[last + 1] as LetterPosition))
      last++;
    const { partition, offset: from } = sorted[first] as LetterPosition;
    const range = { topic: topic.name, partition, from, to: (sorted[last] as LetterPosition).offset + 1 };
    for await (const records of readRange(broker, range, signal))
      for (const record of records)
        if (asked.has(letterId(record))) found.push(letterOf(record, settlements.stateOf(record), topic.stamped));
    first = last + 1;
  }
  return found;
}

const areNear = (a: LetterPosition, b: LetterPosition): boolean =>
  a.partition === b.partition && b.offset - a.offset <= NEAR;
