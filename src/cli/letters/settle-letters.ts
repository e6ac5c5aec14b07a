import type { Command } from '@commander-js/extra-typings';
import { type Letter, type LetterFilter, LetterSet } from '../../letters/index.js';
import { checkText, MAX_REASON } from '../../runtime/ledger/ledger-entry.js';
import { withOptions } from '../options/with-options.js';
import { agreed, checkAskable } from '../terminal/ask.js';
import { type Io, write } from '../terminal/io.js';
import { counted } from '../terminal/rate.js';
import { usage } from '../terminal/usage.js';
import { type Chosen, choosesLetters, chosenLetters } from './letter-choice.js';
import type { LetterChoice, LetterSource } from './letter-options.js';
import { type LetterColumn, printLetters } from './print-letters.js';
import { fileAndIds, type LettersLook, withLetters } from './with-letters.js';

/** The options of a command that does something with letters. */
export interface SettleOptions extends LetterSource, LetterChoice {
  readonly reason: string;
  readonly all?: true | undefined;
  readonly dryRun?: true | undefined;
  readonly yes?: true | undefined;
}

const addSettling = (command: Command) =>
  command
    .option('--all', 'all open letters')
    .option('--dry-run', 'list the letters and do nothing')
    .option('--yes', 'do not ask for confirmation');

/** Adds the options of {@link SettleOptions} that say how: all but the reason. */
export const withSettling = withOptions(addSettling);

/** What a command does with letters. */
export interface Settling {
  /** Whether letters are meant that were requested before. */
  readonly again: boolean;
  /** What the list says about such letters, if they are not meant. */
  readonly requested: string;
  readonly column?: LetterColumn;
  /** Looks at all that was listed. An exit code: it cannot be done, and that was said. */
  readonly check?: (letters: LetterSet) => Promise<number | undefined>;
  readonly settle: (letters: LetterSet) => Promise<number>;
}

/** What the command line says. */
export interface SettleCommand<Options extends SettleOptions> {
  /** As in "would … 2 letters": `discard`. */
  readonly verb: string;
  /** The file, or an id in its place. */
  readonly first: string | undefined;
  readonly more: readonly string[];
  readonly options: Options;
  readonly io: Io;
}

/**
 * Lists the letters that are chosen, asks, and settles exactly these. Errors: USAGE if it is not clear which
 * letters are meant, or nobody can be asked; CONFIG_INVALID for a reason that is none.
 */
export async function settleLetters<Options extends SettleOptions>(
  { verb, first, more, options, io }: SettleCommand<Options>,
  begin: (look: LettersLook, options: Options) => Promise<Settling> | Settling,
): Promise<number> {
  const { file, ids } = fileAndIds(first, more);
  checkText('reason', options.reason, MAX_REASON);
  checkChoice(ids, options, verb);
  if (!options.dryRun && !options.yes) checkAskable(io);
  return withLetters(file, options, io, async (look) => {
    const settling = await begin(look, options);
    const chosen = await chosenLetters(options, look);
    const letters = await listed(look, ids, chosen, settling);
    if (look.stop.requested) return look.stop.exitCode;
    const count = counted(letters.size, 'letter');
    if (letters.size === 0) {
      await write(io.stderr, `nothing to ${verb}: no open letter is chosen\n`);
      return 0;
    }
    const refused = await settling.check?.(letters);
    if (refused !== undefined) return refused;
    if (options.dryRun) {
      await write(io.stderr, `would ${verb} ${count}\n`);
      return 0;
    }
    const question = `${verb[0]?.toUpperCase()}${verb.slice(1)} ${count}?`;
    if (!options.yes && !(await agreed(io, question, look.stop.signal))) {
      await write(io.stderr, 'nothing was done\n');
      return 1;
    }
    return settling.settle(letters);
  });
}

/** Errors: USAGE unless it is clear which letters are meant. */
function checkChoice(ids: readonly string[], options: SettleOptions, verb: string): void {
  const ways = [
    ...(ids.length > 0 ? ['ids'] : []),
    ...(choosesLetters(options) ? ['a filter'] : []),
    ...(options.all ? ['--all'] : []),
  ];
  if (ways.length === 1) return;
  throw usage(
    `cannot tell which letters to ${verb}`,
    ways.length === 0 ? 'neither ids nor a filter' : ways.join(' and '),
    'ids, or a filter such as --code, or --all',
  );
}

/** Lists the letters that are meant. */
async function listed(
  look: LettersLook,
  ids: readonly string[],
  chosen: Chosen,
  { again, requested, column }: Settling,
): Promise<LetterSet> {
  const letters = new LetterSet();
  const onLetter = (letter: Letter): void => letters.add(letter);
  const filter: LetterFilter = {
    ...chosen.filter,
    ...(ids.length > 0 && { ids }),
    ...(again ? unsettled(chosen) : OPEN),
  };
  const { seen } = await printLetters(look, filter, { json: false, onLetter, column, warnings: chosen.warnings });
  if (ids.length === 0) return letters;
  const settled = seen.discarded + seen.redriven;
  if (settled > 0) look.say(`${counted(settled, 'letter')} settled already`);
  if (seen.requested > 0 && !again) look.say(`${counted(seen.requested, 'letter')} ${requested}`);
  return letters;
}

const OPEN = { state: 'open' } as const;

function unsettled({ filter: { where } }: Chosen): Pick<LetterFilter, 'state' | 'where'> {
  return {
    state: 'all',
    where: (letter) => ['open', 'requested'].includes(letter.state.name) && (where === undefined || where(letter)),
  };
}
