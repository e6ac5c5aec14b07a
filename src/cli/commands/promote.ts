import { resolve } from 'node:path';
import { Option } from '@commander-js/extra-typings';
import { applyPromotion, type PromotionOptions, planPromotion, planRollback } from '../../replay/index.js';
import { agreed } from '../ask.js';
import { type BrokerOptions, brokerUrl, DEFAULT_BROKER, KAFKA_CONFIG, openExistingBroker } from '../broker-url.js';
import { checkedTopology } from '../checked-topology.js';
import { type Io, write } from '../io.js';
import { DEFAULT_STATE } from '../options.js';
import type { Program } from '../program.js';
import { promotionText } from '../promotion-text.js';

interface Options extends BrokerOptions {
  readonly app?: string | undefined;
  readonly state: string;
  readonly effects: NonNullable<PromotionOptions['effects']>;
  readonly dryRun?: true | undefined;
  readonly yes?: true | undefined;
}

const SAFETY = `
The plan is printed first, and nothing is done before you agree. Versions change places in one step: before it the one is live, after it the
other, whatever happens. An interrupted one is finished by running it once more. What was done is kept in STATE/promotions/APP.`;

const PROMOTE = `
FILE is the version that runs as shadow (millrace run FILE --shadow). From the promotion on the application goes on where the shadow was, with
the stores of the shadow; nothing is copied. If the shadow was behind, it catches up, and writes and calls nothing of what the live version had
processed (--effects silent, the default); new records wait for that. The version that was live is kept, with its stores, until another shadow is begun: see rollback.

Stop the shadow first, then the live version: a shadow that is ahead is refused (SHADOW_AHEAD), since what it has written of these records went
to its own topics only. So is a live version with records on their way through its repartition topics: run it until it is idle.
${SAFETY}

Examples:
  $ millrace run new-version.ts --shadow --fresh --until-idle
  $ millrace promote new-version.ts --dry-run
  $ millrace promote new-version.ts --yes && millrace run new-version.ts`;

const ROLLBACK = `
FILE is the version that was live before. It goes on where it was, with its own stores, and catches up: what the other version has written and
called since stays, and is not written and called again (--effects silent, the default), or is, by this version (--effects live), or goes to the
topic APP-captured (capture). The other version is kept, and can be promoted again.

Stop the application first, when nothing is on its way through its repartition topics (or use --effects live).
${SAFETY}

Examples:
  $ millrace rollback old-version.ts --dry-run
  $ millrace rollback old-version.ts --yes && millrace run old-version.ts
  $ millrace rollback old-version.ts --effects live --broker kafka://localhost:9092`;

/** `millrace promote FILE`, `millrace rollback FILE`: another version takes the place of the live one. */
export function addPromote(program: Program): void {
  command(program, 'promote', 'let the shadow of an application take its place', PROMOTE);
  command(program, 'rollback', 'go back to the version that was live before the last promotion', ROLLBACK);
}

function command(program: Program, name: 'promote' | 'rollback', description: string, help: string): void {
  program.parent
    .command(name)
    .description(description)
    .argument('<file>', 'the file that exports the topology of the version that takes over')
    .option('--app <id>', "exactly this application (default: the topology's name)")
    .option('--broker <url>', 'where the topics are', brokerUrl, DEFAULT_BROKER)
    .option(...KAFKA_CONFIG)
    .option('--state <directory>', 'where the stores are kept', DEFAULT_STATE)
    .addOption(
      new Option(
        '--effects <what>',
        'what becomes of outputs and calls of records that the live version has processed, and the other one has not',
      )
        .choices(['live', 'silent', 'capture'] as const)
        .default('silent' as const),
    )
    .option('--dry-run', 'print the plan and do nothing')
    .option('--yes', 'do not ask')
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
