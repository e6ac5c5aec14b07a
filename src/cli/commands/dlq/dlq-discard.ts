import { type DiscardReport, discardLetters, type LetterFilter, LetterSet } from '../../../letters/index.js';
import { actorOf } from '../../../runtime/ledger/actor.js';
import { checkText, MAX_REASON } from '../../../runtime/ledger/ledger-entry.js';
import { type Chosen, choosesLetters, chosenLetters } from '../../letters/letter-choice.js';
import {
  FILE_HELP,
  FILTER_HELP,
  type LetterChoice,
  type LetterSource,
  withLetterChoice,
  withLetterSource,
} from '../../letters/letter-options.js';
import { printLetters } from '../../letters/print-letters.js';
import { fileAndIds, type LettersLook, withLetters } from '../../letters/with-letters.js';
import { agreed, checkAskable } from '../../terminal/ask.js';
import { type Io, write } from '../../terminal/io.js';
import type { Program } from '../../terminal/program.js';
import { counted, formatCount, Rate } from '../../terminal/rate.js';
import { usage } from '../../terminal/usage.js';

interface Options extends LetterSource, LetterChoice {
  readonly reason: string;
  readonly all?: true | undefined;
  readonly dryRun?: true | undefined;
  readonly yes?: true | undefined;
}

const EXAMPLES = `
A discarded letter needs no more work: by default it is listed no more. The letter itself stays as it is; who discarded it,
when and why is kept in the topic APP-ledger (millrace log). Who: MILLRACE_ACTOR, else the user of the operating system.

The command first lists the letters, and does nothing before you agree. It discards exactly these: not those that come
meanwhile. If it is interrupted, run it once more, and it continues. A letter that is settled already stays as it is.
${FILTER_HELP}

Examples:
  $ millrace dlq discard topology.ts 0@17 0@21 --reason 'sent by a test'
  $ millrace dlq discard topology.ts --code DESERIALIZE_FAILED --until ago:1d --reason 'old format' --dry-run
  $ millrace dlq discard topology.ts --all --reason 'replayed by hand' --yes`;

/** `millrace dlq discard FILE …`: says of dead letters that they need no more work. */
export function addDlqDiscard(program: Program): void {
  withLetterChoice(
    withLetterSource(
      program.parent
        .command('discard')
        .description('say of dead letters that they need no more work, and why')
        .argument('[file]', FILE_HELP)
        .argument('[ids...]', 'letters: 0@17 0@21'),
    ),
  )
    .option('--all', 'all open letters')
    .requiredOption('--reason <text>', 'why they need no more work')
    .option('--dry-run', 'list the letters and do nothing')
    .option('--yes', 'do not ask for confirmation')
    .addHelpText('after', EXAMPLES)
    .action((first, more, options) => program.act((io) => discard(first, more, options as Options, io)));
}

async function discard(first: string | undefined, more: readonly string[], options: Options, io: Io): Promise<number> {
  const { file, ids } = fileAndIds(first, more);
  checkText('reason', options.reason, MAX_REASON);
  checkChoice(ids, options);
  if (!options.dryRun && !options.yes) checkAskable(io);
  return withLetters(file, options, io, async (look) => {
    const chosen = await chosenLetters(options, look);
    const letters = await listed(look, ids, chosen);
    if (look.stop.requested) return look.stop.exitCode;
    const count = counted(letters.size, 'letter');
    if (letters.size === 0) {
      await write(io.stderr, 'nothing to discard: no open letter is chosen\n');
      return 0;
    }
    if (options.dryRun) {
      await write(io.stderr, `would discard ${count}\n`);
      return 0;
    }
    if (!options.yes && !(await agreed(io, `Discard ${count}?`, look.stop.signal))) {
      await write(io.stderr, 'nothing was done\n');
      return 1;
    }
    return settle(look, letters, options);
  });
}

/** Errors: USAGE unless it is clear which letters are meant. */
function checkChoice(ids: readonly string[], options: Options): void {
  const ways = [
    ...(ids.length > 0 ? ['ids'] : []),
    ...(choosesLetters(options) ? ['a filter'] : []),
    ...(options.all ? ['--all'] : []),
  ];
  if (ways.length === 1) return;
  throw usage(
    'cannot tell which letters to discard',
    ways.length === 0 ? 'neither ids nor a filter' : ways.join(' and '),
    'ids, or a filter such as --code, or --all',
  );
}

/** Lists the letters that are to be discarded. */
async function listed(look: LettersLook, ids: readonly string[], chosen: Chosen): Promise<LetterSet> {
  const letters = new LetterSet();
  const onLetter = (letter: { readonly partition: number; readonly offset: number }): void => letters.add(letter);
  const filter: LetterFilter = { ...chosen.filter, ...(ids.length > 0 && { ids }), state: 'open' };
  const { seen } = await printLetters(look, filter, { json: false, onLetter, warnings: chosen.warnings });
  const settled = seen.discarded + seen.requested + seen.redriven;
  if (ids.length > 0 && settled > 0) look.say(`${counted(settled, 'letter')} settled already`);
  return letters;
}

async function settle(look: LettersLook, letters: LetterSet, { reason }: Options): Promise<number> {
  const { io, which, stop, show } = look;
  const rate = new Rate(io.clock);
  const done = ({ discarded, before, gone }: DiscardReport): number => discarded + before + gone;
  const report = await discardLetters({
    ...which,
    letters,
    reason,
    actor: actorOf(io.env),
    clock: io.clock,
    onProgress: (now) =>
      show(() => {
        rate.sample(done(now));
        return `discarding: ${formatCount(done(now))} of ${counted(letters.size, 'letter')}, ${rate.text(letters.size - done(now))}`;
      }),
  });
  const { discarded, before, gone, ledger, complete } = report;
  if (!complete) {
    await write(
      io.stderr,
      `stopped: discarded ${formatCount(discarded)} of ${counted(letters.size, 'letter')}; run it again to continue\n`,
    );
    return stop.exitCode;
  }
  if (before > 0) await write(io.stderr, `${counted(before, 'letter')} settled by somebody else meanwhile\n`);
  if (gone > 0) await write(io.stderr, `${counted(gone, 'letter')} removed by the broker meanwhile\n`);
  await write(io.stderr, `discarded ${counted(discarded, 'letter')}${ledger === null ? '' : `; kept in ${ledger}`}\n`);
  return 0;
}
