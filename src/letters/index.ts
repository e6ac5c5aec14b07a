/**
 * Dead letters of an application, and the ledger of what was done about them.
 *
 * @module millrace/letters
 */

export type { LedgerEntry } from '../runtime/ledger/ledger-entry.js';
export { type LedgerOptions, type ReadLedgerOptions, readLedger } from '../runtime/ledger/ledger-reader.js';
export { type DiscardOptions, type DiscardReport, type DiscardStep, discardLetters } from './discard-letters.js';
export type { Letter, LetterOrigin, LetterState, ShortenedPart } from './letter.js';
export type { LetterFilter } from './letter-filter.js';
export { type LetterPosition, letterId, parseLetterId } from './letter-id.js';
export { LetterSet } from './letter-set.js';
export { type LetterOptions, type LetterPartition, type LetterTopic, letterTopic } from './letter-topic.js';
export { type LetterProgress, type ListLettersOptions, listLetters } from './list-letters.js';
export {
  type RedriveOptions,
  type RedriveReport,
  type RedriveStep,
  redriveLetters,
} from './redrive-letters.js';
export type { LetterPatch } from './redrive-requests.js';
export type { RedriveAt } from './redrive-target.js';
export { type ShowLetterOptions, type ShownLetter, showLetter } from './show-letter.js';
export { type RedrivenLetter, type WatchRedrivenOptions, watchRedriven } from './watch-redriven.js';
