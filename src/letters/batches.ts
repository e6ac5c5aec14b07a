import type { LetterPosition } from './letter-id.js';

const BATCH = 1_000;

/** The positions in batches, each without what else the letters have. */
export async function* batches(
  letters: Iterable<LetterPosition> | AsyncIterable<LetterPosition>,
  size = BATCH,
): AsyncGenerator<readonly LetterPosition[]> {
  let batch: LetterPosition[] = [];
  for await (const { partition, offset } of letters) {
    batch.push({ partition, offset });
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
