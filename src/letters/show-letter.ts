import type { LedgerEntry } from '../runtime/ledger/ledger-entry.js';
import { letterKey } from '../runtime/ledger/ledger-entry.js';
import { readLedger } from '../runtime/ledger/ledger-reader.js';
import type { Letter } from './letter.js';
import { parseLetterId } from './letter-id.js';
import { type LetterOptions, letterTopic, unknownLetter } from './letter-topic.js';
import { listLetters } from './list-letters.js';

export interface ShowLetterOptions extends LetterOptions {
  /** `PARTITION@OFFSET`. */
  readonly id: string;
}

/** One letter, and what the ledger says about it. */
export interface ShownLetter {
  readonly letter: Letter;
  /** Oldest first; at most the last thousand. */
  readonly entries: readonly LedgerEntry[];
}

const MAX_ENTRIES = 1_000;

/**
 * One letter, with the entries of the ledger about it. It reads the ledger, and one record of the dead letter
 * topic.
 *
 * Errors: LETTER_UNKNOWN if there is no such letter of this application, and those of {@link listLetters}.
 *
 * ```ts no-run
 * const { letter, entries } = await showLetter({ broker, applicationId: 'payments', id: '0@17' });
 * ```
 */
export async function showLetter(options: ShowLetterOptions): Promise<ShownLetter> {
  const { id, ...which } = options;
  const at = parseLetterId(id);
  for await (const letter of listLetters({ ...which, ids: [id] })) {
    const key = letterKey(letter);
    const entries: LedgerEntry[] = [];
    for await (const entry of readLedger(which)) {
      if (entry.key !== key) continue;
      entries.push(entry);
      if (entries.length > MAX_ENTRIES) entries.shift();
    }
    return { letter, entries };
  }
  throw unknownLetter(await letterTopic(which), at);
}
