import { resolve } from 'node:path';
import { Option } from '@commander-js/extra-typings';
import { applyPromotion, type PromotionOptions, planPromotion, planRollback } from '../../replay/index.js';
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
import { promotionText } from '../versions/promotion-text.js';

interface Options extends BrokerOptions {
  readonly app?: string | undefined;
  readonly state: string;
  readonly effects: NonNullable<PromotionOptions['effects']>;
  readonly dryRun?: true | undefined;
  readonly yes?: true | undefined;
}

const SAFETY = `
The command first prints the plan, and does nothing before you agree. The versions change places in one step: before it the
one is live, after it the other. If the command is interrupted, run it once more to finish. The record of it is kept in
STATE/promotions/APP.`;

const PROMOTE = `
FILE is the version that runs as shadow (millrace run FILE --shadow). After the promotion the application continues where the
shadow was, with the stores of the shadow; nothing is copied. If the shadow was behind, it catches up first. Meanwhile it
does not repeat outputs and calls that the live version has made (--effects silent, the default), and new records wait.
The previous live version is kept, with its stores, until another shadow is started: see rollback.

Stop the shadow first, then the live version. A shadow that is ahead is refused (SHADOW_AHEAD), because its outputs went to
its own topics only. A live version with unprocessed records in its repartition topics is also refused: run it until it is
idle.
${SAFETY}

Examples:
  $ millrace run new-version.ts --shadow --fresh --until-idle
  $ millrace promote new-version.ts --dry-run
  $ millrace promote new-version.ts --yes && millrace run new-version.ts`;

const ROLLBACK = `
FILE is the previous live version. It continues where it was, with its own stores, and catches up. The outputs and calls that
the other version has made since then stay. With --effects silent (the default) they are not repeated; with live, this version
repeats them; with capture, they go to the topic APP-captured. The other version is kept, and can be promoted again.

Stop the application first, when its repartition topics hold no unprocessed records (or use --effects live).
${SAFETY}

Examples:
  $ millrace rollback old-version.ts --dry-run
  $ millrace rollback old-version.ts --yes && millrace run old-version.ts
  $ millrace rollback old-version.ts --effects live --broker kafka://localhost:9092`;

/** `millrace promote FILE`, `millrace rollback FILE`: make another version the live one. */
export function addPromote(program: Program): void {
  command(program, 'promote', 'make the shadow of an application the live version', PROMOTE);
  command(program, 'rollback', 'go back to the version that was live before the last promotion', ROLLBACK);
}

function command(program: Program, name: 'promote' | 'rollback', description: string, help: string): void {
  program.parent
    .command(name)
    .description(description)
    .argument('<file>', 'the file that exports the topology of the version that takes over')
    .option('--app <id>', "the application, and no other (default: the topology's name)")
    .option('--broker <url>', 'the broker of the topics', brokerUrl, DEFAULT_BROKER)
    .option(...KAFKA_CONFIG)
    .option('--state <directory>', 'the directory of the stores', DEFAULT_STATE)
    .addOption(
      new Option(
        '--effects <what>',
        'what to do with outputs and calls of records that the live version has processed and the other has not',
      )
        .choices(['live', 'silent', 'capture'] as const)
        .default('silent' as const),
    )
    .option('--dry-run', 'print the plan and do nothing')
    .option('--yes', 'do not ask for confirmation')
    .addHelpText('after', help)
    .action((file, options) => program.act((io) => takeOver(name, file, options as Options, io)));
}

async function takeOver(kind: 'promote' | 'rollback', file: string, options: Options, io: Io): Promise<number> {
  const topology = await checkedTopology(file, { cwd: io.cwd, check: false });
  const { broker } = await openExistingBroker(options, io);
  try {
    const stateDirectory = resolve(io.cwd, options.state);
    const plan = await (kind === 'promote' ? planPromotion : planRollback)(topology, {
      broker,
      effects: options.effects,
      now: io.clock.now(),
      ...(options.app !== undefined && { applicationId: options.app }),
    });
    await write(io.stdout, promotionText(plan));
    if (options.dryRun) return 0;
    if (!options.yes && !(await agreed(io, 'Do it?'))) {
      await write(io.stderr, 'nothing was done\n');
      return 1;
    }
    const record = await applyPromotion(plan, { broker, stateDirectory });
    await write(io.stderr, `done; kept in ${record}\nstart it: millrace run ${file}\n`);
    return 0;
  } finally {
    await broker.close();
  }
}
