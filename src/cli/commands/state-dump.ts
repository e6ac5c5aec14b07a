import { brokerUrl, DEFAULT_BROKER, KAFKA_CONFIG } from '../broker-url.js';
import { type Io, write } from '../io.js';
import { DEFAULT_STATE, type StateSelection, withStores } from '../open-state.js';
import { errorPolicies, size, wholeNumber } from '../options.js';
import {
  AS_OF_HELP,
  MOMENT_HELP,
  moment,
  ON_ERROR,
  ON_ERROR_HELP,
  SNAPSHOT_EVERY,
  SNAPSHOT_EVERY_HELP,
  snapshotEvery,
} from '../past.js';
import type { Program } from '../program.js';
import { SCHEMA_REGISTRY } from '../schema-registry.js';
import { toJson } from '../show.js';

const LINES_PER_WRITE = 500;

/** `millrace state dump FILE`: all rows. */
export function addStateDump(program: Program): void {
  program.parent
    .command('dump')
    .description('print all rows as JSON lines, in the order of their keys within each store and partition')
    .argument('<file>', 'the file that exports the topology')
    .option('--app <id>', "the application (default: the topology's name)")
    .option('--state <directory>', 'where the state is', DEFAULT_STATE)
    .option(...SCHEMA_REGISTRY)
    .option('--store <name>', 'this store only')
    .option('--partition <number>', 'this partition only', wholeNumber('--partition', 0))
    .option('--as-of <moment>', AS_OF_HELP, moment('--as-of'))
    .option('--broker <url>', 'where the topics are, for --as-of', brokerUrl, DEFAULT_BROKER)
    .option(...KAFKA_CONFIG)
    .option(SNAPSHOT_EVERY, SNAPSHOT_EVERY_HELP, snapshotEvery)
    .option(ON_ERROR, ON_ERROR_HELP, errorPolicies)
    .option('--cache <size>', 'memory for cached rows (default: 32MB)', size('--cache'))
    .addHelpText(
      'after',
      `${MOMENT_HELP}\n\nExample:\n  $ millrace state dump topology.ts --store balances | jq .value.total`,
    )
    .action((file, options) => program.act((io) => dump(file, options, io)));
}

function dump(file: string, options: StateSelection, io: Io): Promise<number> {
  return withStores(file, options, io, async (parts) => {
    for await (const { spec, partition, entries } of parts) {
      let lines: string[] = [];
      for await (const [key, value] of entries()) {
        lines.push(`${toJson({ store: spec.name, partition, key, value })}\n`);
        if (lines.length < LINES_PER_WRITE) continue;
        await write(io.stdout, lines.join(''));
        if (io.outputClosed.aborted) return 0;
        lines = [];
      }
      if (lines.length > 0) await write(io.stdout, lines.join(''));
    }
    return 0;
  });
}
