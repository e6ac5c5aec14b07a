import { type Letter, type LetterFilter, type LetterProgress, listLetters } from '../../letters/index.js';
import { write } from '../terminal/io.js';
import { formatCount, Rate } from '../terminal/rate.js';
import { ledgerWarnings, letterRow, letterTable, RetentionWatch } from './letter-table.js';
import { letterLine } from './letter-view.js';
import { type LettersLook, topicOf } from './with-letters.js';

export interface PrintedLetters {
  readonly listed: number;
  readonly seen: LetterProgress;
  /** Whether `limit` has ended it. */
  readonly cut: boolean;
}

/** One more column of the table. */
export interface LetterColumn {
  readonly title: string;
  readonly of: (letter: Letter) => Promise<string>;
}

/**
 * Prints letters as a table, or as lines of JSON, with the progress and the warnings about them. Calls
 * `onLetter` for each one that it prints.
 */
export async function printLetters(
  look: LettersLook,
  filter: LetterFilter,
  options: {
    readonly json: boolean;
    readonly limit?: number | undefined;
    readonly onLetter?: (letter: Letter) => void;
    readonly column?: LetterColumn | undefined;
    readonly warnings: () => readonly string[];
  },
): Promise<PrintedLetters> {
  const { io, which, serdes, say, show, stop } = look;
  const { json, limit = Number.POSITIVE_INFINITY, onLetter, column, warnings } = options;
  const watch = new RetentionWatch(await topicOf(look), io.clock.now());
  const table = letterTable(io, column ? [column.title] : []);
  const rate = new Rate(io.clock);
  let seen: LetterProgress = NOTHING;
  let listed = 0;
  let cut = false;
  const onProgress = (now: LetterProgress): void => {
    seen = now;
    show(() => {
      rate.sample(now.read);
      return `reading: ${formatCount(now.read)} of ${formatCount(now.total)} letters, ${rate.text(now.total - now.read)}`;
    });
  };
  for await (const letter of listLetters({ ...which, ...filter, onProgress })) {
    if (listed === limit) {
      cut = true;
      break;
    }
    listed++;
    watch.see(letter);
    onLetter?.(letter);
    if (json) await write(io.stdout, await letterLine(letter, await serdes.of(letter.origin?.topic)));
    else await table.add([...letterRow(letter), ...(column ? [await column.of(letter)] : [])]);
    if (stop.requested) break;
  }
  await table.flush();
  for (const warning of [...watch.warnings(), ...ledgerWarnings(seen), ...(listed === 0 ? warnings() : [])])
    say(`warning: ${warning}`);
  return { listed, seen, cut };
}

const NOTHING: LetterProgress = {
  ...{ read: 0, total: 0, open: 0, discarded: 0, requested: 0, redriven: 0, foreign: 0, others: 0 },
  ledger: { damaged: 0, unknown: 0 },
};
