import type { LetterState } from '../../../letters/index.js';
import { chosenLetters } from '../../letters/letter-choice.js';
import {
  FILE_HELP,
  FILTER_HELP,
  JSON_HELP,
  type LetterChoice,
  type LetterSource,
  statusOption,
  withLetterChoice,
  withLetterSource,
} from '../../letters/letter-options.js';
import { countsText } from '../../letters/letter-table.js';
import { printLetters } from '../../letters/print-letters.js';
import { topicOf, withLetters } from '../../letters/with-letters.js';
import { wholeNumber } from '../../options/options.js';
import { type Io, write } from '../../terminal/io.js';
import type { Program } from '../../terminal/program.js';
import { counted } from '../../terminal/rate.js';

interface Options extends LetterSource, LetterChoice {
  readonly status: LetterState['name'] | 'all';
  readonly limit?: number | undefined;
  readonly json?: true | undefined;
}

const EXAMPLES = `
The letters come in the order of their partitions and offsets. The application may run.
${FILTER_HELP}

Examples:
  $ millrace dlq list topology.ts
  $ millrace dlq list topology.ts --code DESERIALIZE_FAILED --since ago:1d
  $ millrace dlq list topology.ts --where 'value.amount > 100' --status all --json | jq .id
  $ millrace dlq list --app payments --broker kafka://localhost:9092`;

/** `millrace dlq list FILE`: lists dead letters. */
export function addDlqList(program: Program): void {
  withLetterChoice(
    withLetterSource(
      program.parent
        .command('list')
        .description('list the dead letters of an application: by default those that are open')
        .argument('[file]', FILE_HELP),
    ),
  )
    .addOption(statusOption())
    .option('--limit <letters>', 'list this many letters at most', wholeNumber('--limit', 1))
    .option('--json', JSON_HELP)
    .addHelpText('after', EXAMPLES)
    .action((file, options) => program.act((io) => list(file, options as Options, io)));
}

function list(file: string | undefined, options: Options, io: Io): Promise<number> {
  return withLetters(file, options, io, async (look) => {
    const { say, stop } = look;
    const json = options.json === true;
    const tell = async (line: string): Promise<void> => {
      if (json) say(line);
      else await write(io.stdout, `${line}\n`);
    };
    const topic = await topicOf(look);
    const { filter, warnings } = await chosenLetters(options, look);
    if (!topic.exists) {
      await tell(`no letters: the topic ${topic.name} does not exist yet`);
      return 0;
    }
    const printed = await printLetters(look, { ...filter, state: options.status }, { ...options, json, warnings });
    if (stop.requested) return stop.exitCode;
    await tell(
      printed.cut
        ? `${counted(printed.listed, 'letter')}; there are more: leave out --limit to see and count them`
        : countsText(topic, printed.listed, printed.seen),
    );
    return 0;
  });
}
