import type { LedgerEntry } from '../../letters/index.js';
import { readLedger } from '../../letters/index.js';
import type { Moment } from '../../replay/index.js';
import { whyText } from '../letters/entry-text.js';
import { timeOf } from '../letters/letter-choice.js';
import { FILE_HELP, JSON_HELP } from '../letters/letter-options.js';
import { timeText } from '../letters/letter-table.js';
import { withLetters } from '../letters/with-letters.js';
import { type BrokerOptions, brokerUrl, DEFAULT_BROKER, KAFKA_CONFIG } from '../options/broker-url.js';
import { APP } from '../past/past.js';
import { pastMoment } from '../past/past-options.js';
import { type Io, write } from '../terminal/io.js';
import type { Program } from '../terminal/program.js';
import { toJson } from '../terminal/show.js';
import { StreamTable } from '../terminal/stream-table.js';

interface Options extends BrokerOptions {
  readonly app?: string | undefined;
  readonly since?: Moment | undefined;
  readonly json?: true | undefined;
}

const EXAMPLES = `
The newest entry comes last. They are in the topic APP-ledger, which keeps the last entry about each thing for ever.

Examples:
  $ millrace log topology.ts
  $ millrace log --app payments --since ago:7d --json`;

/** `millrace log FILE`: shows what was done with an application. */
export function addLog(program: Program): void {
  program.parent
    .command('log')
    .description('show what was done with an application by hand, who did it, when and why')
    .argument('[file]', FILE_HELP)
    .option(...APP)
    .option('--broker <url>', 'the broker of the topics', brokerUrl, DEFAULT_BROKER)
    .option(...KAFKA_CONFIG)
    .option('--since <moment>', 'entries of this moment or later', pastMoment('--since'))
    .option('--json', JSON_HELP)
    .addHelpText('after', EXAMPLES)
    .action((file, options) => program.act((io) => log(file, options, io)));
}

function log(file: string | undefined, options: Options, io: Io): Promise<number> {
  return withLetters(file, options, io, async ({ which, say, stop }) => {
    const since = options.since && timeOf(options.since, '--since', io.clock.now());
    const table = new StreamTable(io, ['when', 'who', 'what', 'about', 'why'], 'why');
    const onDamaged = ({ offset, why }: { readonly offset: number; readonly why: string }): void =>
      say(`warning: record ${offset} of the ledger cannot be read: ${why}`);
    let shown = 0;
    for await (const entry of readLedger({ ...which, onDamaged })) {
      // An entry without a time may be of any time.
      if (since !== undefined && entry.time !== null && entry.time < since) continue;
      shown++;
      if (options.json) await write(io.stdout, `${lineOf(entry)}\n`);
      else await table.add(rowOf(entry));
      if (stop.requested) break;
    }
    await table.flush();
    if (shown === 0) say(`nothing is noted for the application ${which.applicationId}`);
    return stop.requested ? stop.exitCode : 0;
  });
}

const rowOf = (entry: LedgerEntry): readonly string[] => [
  entry.time === null ? '-' : timeText(entry.time),
  entry.actor ?? '-',
  entry.what,
  entry.key,
  whyText(entry),
];

const lineOf = ({ offset, key, what, actor, time, reason, fields }: LedgerEntry): string =>
  toJson({ offset, key, what, actor, time, reason, fields });
