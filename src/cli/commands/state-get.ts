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
import { toJson } from '../show.js';
import { parseKey } from '../store-key.js';

interface Options extends StateSelection {
  readonly store: string;
  readonly key: string;
}

const EXAMPLES = `
Examples:
  $ millrace state get topology.ts --store balances --key alice
  $ millrace state get topology.ts --store orders --key '{"id":7}'
  $ millrace state get topology.ts --store balances --key alice --as-of 2026-03-01T12:00:00Z --snapshot-every 100000`;

/** `millrace state get FILE --store S --key K`: one row. */
export function addStateGet(program: Program): void {
  program.parent
    .command('get')
    .description('print the row of a key as JSON; exit code 1 if there is none')
    .argument('<file>', 'the file that exports the topology')
    .requiredOption('--store <name>', 'the store')
    .requiredOption('--key <key>', 'the key: text for stores with text keys, JSON for the others')
    .option('--app <id>', "the application (default: the topology's name)")
    .option('--state <directory>', 'where the state is', DEFAULT_STATE)
    .option('--partition <number>', 'look into this partition only (default: all)', wholeNumber('--partition', 0))
    .option('--as-of <moment>', AS_OF_HELP, moment('--as-of'))
    .option('--broker <url>', 'where the topics are, for --as-of', brokerUrl, DEFAULT_BROKER)
    .option(...KAFKA_CONFIG)
    .option(SNAPSHOT_EVERY, SNAPSHOT_EVERY_HELP, snapshotEvery)
    .option(ON_ERROR, ON_ERROR_HELP, errorPolicies)
    .option('--cache <size>', 'memory for cached rows (default: 32MB)', size('--cache'))
    .addHelpText('after', `${MOMENT_HELP}\n${EXAMPLES}`)
    .action((file, options) => program.act((io) => get(file, options, io)));
}

async function get(file: string, options: Options, io: Io): Promise<number> {
  let found = 0;
  const code = await withStores(file, options, io, async (parts) => {
    for await (const { spec, partition, row: read } of parts) {
      const key = parseKey(spec.key, options.key, `the store ${spec.name}`);
      const row = await read(key);
      if (row === null) continue;
      found++;
      const { value, timestamp } = row;
      await write(io.stdout, `${toJson({ store: spec.name, partition, key, value, timestamp })}\n`);
    }
    return 0;
  });
  if (code !== 0 || found > 0) return code;
  await write(io.stderr, `no row with the key ${options.key} in the store ${options.store}\n`);
  return 1;
}
