import { type DiscardReport, discardLetters, type LetterSet } from '../../../letters/index.js';
import { actorOf } from '../../../runtime/ledger/actor.js';
import { FILE_HELP, FILTER_HELP, withLetterChoice, withLetterSource } from '../../letters/letter-options.js';
import { type SettleOptions, settleLetters, withSettling } from '../../letters/settle-letters.js';
import type { LettersLook } from '../../letters/with-letters.js';
import { write } from '../../terminal/io.js';
import type { Program } from '../../terminal/program.js';
import { counted, formatCount, Rate } from '../../terminal/rate.js';

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
  withSettling(
    withLetterChoice(
      withLetterSource(
        program.parent
          .command('discard')
          .description('say of dead letters that they need no more work, and why')
          .argument('[file]', FILE_HELP)
          .argument('[ids...]', 'letters: 0@17 0@21'),
      ),
    ),
  )
    .requiredOption('--reason <text>', 'why they need no more work')
    .addHelpText('after', EXAMPLES)
    .action((first, more, options: SettleOptions) =>
      program.act((io) =>
        settleLetters({ verb: 'discard', first, more, options, io }, (look) => ({
          again: false,
          requested: 'requested to be fed in again: nothing has become of that yet',
          settle: (letters) => discard(look, letters, options),
        })),
      ),
    );
}

async function discard(look: LettersLook, letters: LetterSet, { reason }: SettleOptions): Promise<number> {
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
