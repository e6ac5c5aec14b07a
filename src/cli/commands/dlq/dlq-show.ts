import { showLetter } from '../../../letters/index.js';
import { FILE_HELP, ID_HELP, JSON_HELP, type LetterSource, withLetterSource } from '../../letters/letter-options.js';
import { letterText, shownLine } from '../../letters/letter-text.js';
import { fileAndIds, withLetters } from '../../letters/with-letters.js';
import { type Io, write } from '../../terminal/io.js';
import type { Program } from '../../terminal/program.js';
import { usage } from '../../terminal/usage.js';

interface Options extends LetterSource {
  readonly json?: true | undefined;
}

const EXAMPLES = `
Key and value are decoded as the topology reads or writes the topic of the record. What it cannot decode, and everything
without FILE, is shown as JSON or text, and bytes that are neither as {"base64": …}.

Examples:
  $ millrace dlq show topology.ts 0@17
  $ millrace dlq show topology.ts 0@17 --json | jq .value
  $ millrace dlq show --app payments 0@17`;

/** `millrace dlq show FILE ID`: shows everything about a dead letter. */
export function addDlqShow(program: Program): void {
  withLetterSource(
    program.parent
      .command('show')
      .description('show everything about a dead letter; exit code 1 if there is no such letter')
      .argument('[file]', FILE_HELP)
      .argument('[id]', ID_HELP),
  )
    .option('--json', JSON_HELP)
    .addHelpText('after', EXAMPLES)
    .action((first, second, options) =>
      program.act((io) => show(first, second === undefined ? [] : [second], options, io)),
    );
}

function show(first: string | undefined, more: readonly string[], options: Options, io: Io): Promise<number> {
  const {
    file,
    ids: [id],
  } = fileAndIds(first, more);
  if (id === undefined) throw usage('cannot tell which letter to show', 'no id', ID_HELP);
  return withLetters(file, options, io, async ({ which, serdes }) => {
    const shown = await showLetter({ ...which, id });
    const decode = await serdes.of(shown.letter.origin?.topic);
    await write(io.stdout, await (options.json ? shownLine : letterText)(shown, decode));
    return 0;
  });
}
