import { resolve } from 'node:path';
import { Option } from '@commander-js/extra-typings';
import { applyReset, parseMoment, planReset, type ResetOptions } from '../../replay/index.js';
import { checkedTopology } from '../load/checked-topology.js';
import {
  type BrokerOptions,
  brokerUrl,
  DEFAULT_BROKER,
  KAFKA_CONFIG,
  openExistingBroker,
} from '../options/broker-url.js';
import { DEFAULT_STATE } from '../options/options.js';
import { agreed } from '../terminal/ask.js';
import { type Io, write } from '../terminal/io.js';
import type { Program } from '../terminal/program.js';
import { resetText } from '../versions/reset-text.js';

interface Options extends BrokerOptions {
  readonly app?: string | undefined;
  readonly state: string;
  readonly to: string;
  readonly stores?: NonNullable<ResetOptions['stores']> | undefined;
  readonly internalTopics?: NonNullable<ResetOptions['internalTopics']> | undefined;
  readonly effects: NonNullable<ResetOptions['effects']>;
  readonly dryRun?: true | undefined;
  readonly yes?: true | undefined;
}

const EXAMPLES = `
The command first prints the plan, and does nothing before you agree. The plan names everything that will change: the positions
of this application and no other, its stores, its internal topics. Output topics stay as they are.

After the reset, run the application as usual: it reads from the new positions and rebuilds its stores. With --effects silent
(the default), outputs and calls of records that it had processed before are not repeated; from the old positions on it is live
again. New records wait for old ones wherever they could meet (docs/reset.md). With --effects capture, the repeated outputs and
calls go to the topic APP-captured.

The record of the reset is kept in STATE/resets/APP. If the reset is interrupted, run it once more to finish; until then the
application does not start.

Examples:
  $ millrace reset topology.ts --to earliest --dry-run
  $ millrace reset topology.ts --to time:2026-03-01T00:00:00Z --yes
  $ millrace reset topology.ts --to offset:payments:0=42 --stores keep --effects live --broker kafka://localhost:9092`;

/** `millrace reset FILE --to MOMENT`: moves an application back, or ahead, in its source topics. */
export function addReset(program: Program): void {
  program.parent
    .command('reset')
    .description('move the positions of an application back (or ahead), with its stores')
    .argument('<file>', 'the file that exports the topology')
    .requiredOption(
      '--to <moment>',
      'earliest, latest, offset:TOPIC:PARTITION=OFFSET,… (also of repartition topics; other partitions stay), time:ISO, or ago:2h',
    )
    .option('--app <id>', "the application, and no other (default: the topology's name)")
    .option('--broker <url>', 'the broker of the topics', brokerUrl, DEFAULT_BROKER)
    .option(...KAFKA_CONFIG)
    .option('--state <directory>', 'the directory of the stores', DEFAULT_STATE)
    .addOption(
      new Option(
        '--stores <what>',
        'what to do with the stores and their changelogs (default: delete if a position moves back, else keep)',
      ).choices(['keep', 'delete'] as const),
    )
    .addOption(
      new Option(
        '--internal-topics <what>',
        'what to do with repartition topics (default: keep; if stores are deleted, unread records are skipped)',
      ).choices(['keep', 'delete'] as const),
    )
    .addOption(
      new Option('--effects <what>', 'what to do with outputs and calls of records that were processed before')
        .choices(['live', 'silent', 'capture'] as const)
        .default('silent' as const),
    )
    .option('--dry-run', 'print the plan and do nothing')
    .option('--yes', 'do not ask for confirmation')
    .addHelpText('after', EXAMPLES)
    .action((file, options) => program.act((io) => reset(file, options as Options, io)));
}

async function reset(file: string, options: Options, io: Io): Promise<number> {
  const to = parseMoment(options.to, '--to');
  const topology = await checkedTopology(file, { cwd: io.cwd, check: false });
  const { broker } = await openExistingBroker(options, io);
  try {
    const stateDirectory = resolve(io.cwd, options.state);
    const plan = await planReset(topology, {
      broker,
      to,
      stateDirectory,
      effects: options.effects,
      now: io.clock.now(),
      ...(options.app !== undefined && { applicationId: options.app }),
      ...(options.stores && { stores: options.stores }),
      ...(options.internalTopics && { internalTopics: options.internalTopics }),
    });
    await write(io.stdout, resetText(plan));
    if (options.dryRun) return 0;
    if (!options.yes && !(await agreed(io, 'Do it?'))) {
      await write(io.stderr, 'nothing was done\n');
      return 1;
    }
    const record = await applyReset(plan, { broker, stateDirectory, clock: io.clock });
    await write(io.stderr, `done; kept in ${record}\n`);
    return 0;
  } finally {
    await broker.close();
  }
}
