import type { AnySerde } from '../../dsl/processor.js';
import { messageOf } from '../../model/errors.js';
import { type Io, write } from '../io.js';
import { DEFAULT_STATE, type StateSelection, storeParts } from '../open-state.js';
import { wholeNumber } from '../options.js';
import type { Program } from '../program.js';
import { toJson } from '../show.js';
import { usage } from '../usage.js';

interface Options extends StateSelection {
  readonly store: string;
  readonly key: string;
}

/** Serdes whose keys are typed as they are; all others are typed as JSON. */
const TEXT_KEYS: readonly string[] = ['string', 'uuid'];

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
    .addHelpText(
      'after',
      '\nExamples:\n  $ millrace state get topology.ts --store balances --key alice\n  $ millrace state get topology.ts --store orders --key \'{"id":7}\'',
    )
    .action((file, options) => program.act((io) => get(file, options, io)));
}

async function get(file: string, options: Options, io: Io): Promise<number> {
  let found = 0;
  for await (const { spec, partition, key: serde, rows } of storeParts(file, options, io)) {
    const key = parseKey(spec.name, serde, options.key);
    const row = await rows.row(key);
    if (row === null) continue;
    found++;
    const { value, timestamp } = row;
    await write(io.stdout, `${toJson({ store: spec.name, partition, key, value, timestamp })}\n`);
  }
  if (found > 0) return 0;
  await write(io.stderr, `no row with the key ${options.key} in the store ${options.store}\n`);
  return 1;
}

function parseKey(store: string, key: AnySerde, text: string): unknown {
  try {
    const parsed: unknown = TEXT_KEYS.includes(key.name)
      ? text
      : key.name === 'bigint64'
        ? BigInt(text)
        : JSON.parse(text);
    key.encode(parsed);
    return parsed;
  } catch (error) {
    throw usage(
      `cannot read --key for the store ${store}`,
      `${JSON.stringify(text)} (${messageOf(error)})`,
      `a key of the serde ${key.name}, written as JSON`,
    );
  }
}
