import { plainText } from '../../model/text/plain-text.js';
import { type Moment, type VerifyReport, verify } from '../../replay/index.js';
import { DEFAULT_STATE, wholeNumber } from '../options/options.js';
import { type LookBackOptions, lookBack } from '../past/past.js';
import { formatOption, type OutputFormat, pastMoment, withHistoryOptions } from '../past/past-options.js';
import { eventText } from '../past/show-past.js';
import { type Io, write } from '../terminal/io.js';
import type { Program } from '../terminal/program.js';
import { formatCount } from '../terminal/rate.js';
import { toJson } from '../terminal/show.js';

interface Options extends Omit<LookBackOptions, 'state'> {
  readonly from?: Moment | undefined;
  readonly until?: Moment | undefined;
  readonly seed?: number | undefined;
  readonly format: OutputFormat;
}

const EXAMPLES = `
The slice is run four times: unchanged; in batches of other sizes, with frozen records and rows; with restarts at random
points; and with records of equal timestamps in another order. Every record must have the same results, and the stores must
be the same at the end. This finds uses of the clock and of randomness, operators that keep state outside of stores (scan,
pairwise, bufferCount), records and rows that are changed in place, and results that depend on the order of equal times.

Example:
  $ millrace verify topology.ts --from ago:1d`;

/** `millrace verify FILE`: checks whether a topology is a function of its records. */
export function addVerify(program: Program): void {
  withHistoryOptions(
    program.parent
      .command('verify')
      .description('check that every run of a topology gives the same results; exit code 1 if not')
      .argument('<file>', 'the file that exports the topology')
      .option('--from <moment>', 'where to begin (default: earliest)', pastMoment('--from'))
      .option('--until <moment>', 'where to end (default: latest)', pastMoment('--until'))
      .option('--seed <number>', 'chooses batches, restarts and orders (default: 1)', wholeNumber('--seed', 0))
      .addOption(formatOption()),
  )
    .addHelpText('after', EXAMPLES)
    .action((file, options) => program.act((io) => check(file, options, io)));
}

function check(file: string, options: Options, io: Io): Promise<number> {
  // Each run begins with empty stores, so snapshots are of no use.
  return lookBack(file, { ...options, state: DEFAULT_STATE }, io, async ({ topology, past }) => {
    const { from, until, seed, format } = options;
    const { snapshots: _, ...plain } = past;
    const selection = { ...(from && { from }), ...(until && { until }), ...(seed !== undefined && { seed }) };
    const report = await verify(topology, { ...plain, ...selection });
    await write(io.stdout, format === 'json' ? `${toJson(report)}\n` : reportText(report));
    return report.differences.length > 0 ? 1 : 0;
  });
}

function reportText({ records, restarts, reordered, differences, state }: VerifyReport): string {
  const ways = `${formatCount(records)} records, ${formatCount(restarts)} restarts, ${formatCount(reordered)} groups of equal time reordered`;
  if (differences.length === 0) {
    const hashes = Object.entries(state).map(([store, hash]) => `  ${store} ${hash.slice(0, 16)}\n`);
    return `the same each time: ${ways}\n${hashes.join('')}`;
  }
  const found = differences.map(
    ({ run, kind, event, operator, what }) =>
      `${kind} with other ${run}: ${plainText(operator)}\n  ${plainText(what)}\n  first at ${event ? eventText(event) : 'the end'}\n`,
  );
  return `${found.join('')}NOT the same each time: ${ways}\n`;
}
