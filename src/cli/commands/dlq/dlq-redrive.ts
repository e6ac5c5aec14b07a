import { Option } from '@commander-js/extra-typings';
import type { RedriveAt } from '../../../letters/index.js';
import { show } from '../../../model/text/show.js';
import { type FeedOptions, LetterFeed } from '../../letters/feed-letters.js';
import { FILTER_HELP, withLetterChoice, withLetterSource } from '../../letters/letter-options.js';
import { parsePatch } from '../../letters/letter-patch.js';
import { RedrivePlan } from '../../letters/redrive-plan.js';
import { fedText, requestedText, stoppedText } from '../../letters/redrive-text.js';
import { type SettleOptions, type Settling, settleLetters, withSettling } from '../../letters/settle-letters.js';
import type { LettersLook } from '../../letters/with-letters.js';
import { type Io, write } from '../../terminal/io.js';
import type { Program } from '../../terminal/program.js';
import { counted, formatCount } from '../../terminal/rate.js';
import { usage } from '../../terminal/usage.js';

interface Options extends SettleOptions {
  readonly at: RedriveAt;
  readonly patch?: string | undefined;
  readonly rate?: number | undefined;
  readonly stopOnFailure?: true | undefined;
  readonly again?: true | undefined;
  readonly wait: boolean;
}

const VERB = 'feed in';

const EXAMPLES = `
The operator that gave a record up gets it again, with the position, the time and the headers that it had; nothing is
written to its source. The command lists the letters with their operators, and does nothing before you agree. Then it
waits until the application has processed each one, and prints those that fail again: they are open again. The exit
code is 1 if one has failed. Ctrl-C ends the waiting; what was requested stays so. Run it once more, and it continues.

The file of --patch has a function as its default export: it gets a letter as --where does, and returns { key, value },
or one of them, as the topology reads them. A file of JSON is the value of all letters.
${FILTER_HELP}

Examples:
  $ millrace dlq redrive topology.ts --operator 'to amounts' --reason 'fixed in 2.4.1' --dry-run
  $ millrace dlq redrive topology.ts --all --reason 'fixed in 2.4.1' --rate 100 --stop-on-failure
  $ millrace dlq redrive topology.ts 0@17 --patch ./amount.ts --reason 'the amount was missing' --yes`;

/** `millrace dlq redrive FILE …`: lets the application process the records of dead letters again. */
export function addDlqRedrive(program: Program): void {
  withSettling(
    withLetterChoice(
      withLetterSource(
        program.parent
          .command('redrive')
          .description('let the application process the records of dead letters again')
          .argument('[file]', 'the file that exports the topology')
          .argument('[ids...]', 'letters: 0@17 0@21'),
      ),
    ),
  )
    .requiredOption('--reason <text>', 'why they can be processed now')
    .addOption(
      new Option('--at <place>', 'the operator that gave the record up, or all that read its source')
        .choices(['operator', 'source'] as const)
        .default('operator' as const),
    )
    .option('--patch <file>', 'a module that returns other keys and values, or JSON for all values')
    .option('--rate <letters>', 'letters in a second, at most', parseRate)
    .option('--stop-on-failure', 'request no more after the first letter that fails again')
    .option('--again', 'also letters that were requested before, and of which nothing has become')
    .option('--no-wait', 'do not wait for what becomes of them')
    .addHelpText('after', EXAMPLES)
    .action((first, more, options) => program.act((io) => redrive(first, more, options as Options, io)));
}

function parseRate(text: string): number {
  const rate = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && rate > 0) return rate;
  throw usage('cannot read --rate', show(text), 'a number above 0: letters in a second');
}

function redrive(first: string | undefined, more: readonly string[], options: Options, io: Io): Promise<number> {
  if (options.stopOnFailure && !options.wait)
    throw usage('cannot stop on a failure', '--no-wait', '--stop-on-failure without it: a failure is seen by waiting');
  return settleLetters({ verb: VERB, first, more, options, io }, begin);
}

async function begin(look: LettersLook, options: Options): Promise<Settling> {
  const { io, topology, serdes, which } = look;
  if (!topology)
    throw usage('cannot tell which operator is to get a letter', 'no file', 'the file that exports the topology');
  const again = options.again === true;
  const patch = options.patch === undefined ? undefined : await parsePatch(options.patch, io, serdes);
  const plan = await RedrivePlan.open(look, { topology, at: options.at, patch });
  const running = (await which.broker.admin.groupMembers(which.applicationId)).length > 0;
  const stopOnFailure = options.stopOnFailure === true;
  return {
    again,
    requested: 'requested before, and nothing has become of that yet: --again requests them once more',
    column: plan,
    check: async (letters) => {
      if (plan.problems > 0) {
        const all = counted(letters.size, 'letter');
        await write(io.stderr, `nothing was done: ${formatCount(plan.problems)} of ${all} cannot be fed in\n`);
        return 1;
      }
      if (stopOnFailure) checkSeen(which.applicationId, running, await plan.missing());
      return undefined;
    },
    settle: async (letters) => {
      const { reason, at, rate } = options;
      const feed = { topology, letters, reason, at, patch, rate, again, stopOnFailure };
      const waits = options.wait && running && (await plan.missing()).length === 0;
      return waits ? fedAndAwaited(look, feed) : requested(look, feed);
    },
  };
}

/** Errors: USAGE if nobody would see a failure. */
function checkSeen(applicationId: string, running: boolean, missing: readonly string[]): void {
  if (running && missing.length === 0) return;
  throw usage(
    'cannot stop on a failure',
    running ? `a process that does not read ${missing.join(', ')} yet` : `no running process of ${applicationId}`,
    'a process that feeds the letters in',
    running
      ? 'Leave --stop-on-failure out, and restart the process; or run the command again after that.'
      : 'Start the application, or leave --stop-on-failure out.',
  );
}

async function requested(look: LettersLook, feed: FeedOptions): Promise<number> {
  const fed = await new LetterFeed(look, feed).request();
  const { report } = fed;
  await write(look.io.stderr, report?.complete ? requestedText(look, fed, report) : stoppedText(feed.letters, fed));
  return report?.complete ? 0 : look.stop.exitCode;
}

async function fedAndAwaited(look: LettersLook, feed: FeedOptions): Promise<number> {
  const fed = await new LetterFeed(look, feed).run();
  const { io, stop } = look;
  if (stop.requested) {
    await write(io.stderr, stoppedText(feed.letters, fed));
    return stop.exitCode;
  }
  await write(io.stderr, fedText(look, feed.letters, fed));
  return fed.failed > 0 ? 1 : 0;
}
