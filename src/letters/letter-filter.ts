import { messageOf, StreamsError } from '../model/errors.js';
import { type Letter, type LetterState, timeOfLetter } from './letter.js';

/** Which letters of an application. Each field that is given must apply. */
export interface LetterFilter {
  /** Only these: `PARTITION@OFFSET`. LETTER_UNKNOWN if one of them does not exist. */
  readonly ids?: readonly string[] | undefined;
  /** Default: `open`; with `ids`: `all`. */
  readonly state?: LetterState['name'] | 'all' | undefined;
  /** The operator, source or sink that gave the record up. */
  readonly operator?: string | undefined;
  /** The code of the error. */
  readonly code?: string | undefined;
  /** The bytes of the key, or its text. A key that was shortened is another one. */
  readonly key?: Uint8Array | string | undefined;
  /**
   * Letters of this time or later, in milliseconds since the epoch. The time is that when the letter was
   * written if it is known, else the timestamp of its record.
   */
  readonly since?: number | undefined;
  /** Letters of this time or earlier. */
  readonly until?: number | undefined;
  /** Any other question. PREDICATE_FAILED if it throws. */
  readonly where?: ((letter: Letter) => unknown) | undefined;
}

/** Whether a letter passes everything but its state. */
export async function passes(letter: Letter, filter: LetterFilter): Promise<boolean> {
  const { operator, code, key, since, until, where } = filter;
  if (operator !== undefined && letter.operator !== operator) return false;
  if (code !== undefined && letter.code !== code) return false;
  if (key !== undefined && !letter.key?.equals(typeof key === 'string' ? Buffer.from(key) : key)) return false;
  const time = timeOfLetter(letter);
  if (since !== undefined && time < since) return false;
  if (until !== undefined && time > until) return false;
  return where === undefined || (await holds(where, letter));
}

async function holds(where: NonNullable<LetterFilter['where']>, letter: Letter): Promise<boolean> {
  try {
    return Boolean(await where(letter));
  } catch (error) {
    throw new StreamsError('PREDICATE_FAILED', {
      what: 'the predicate threw',
      at: `the letter ${letter.id} of ${letter.topic}`,
      saw: messageOf(error),
      action: 'Correct the predicate: it is called for each letter, also for one without a value or an origin.',
      cause: error,
    });
  }
}
