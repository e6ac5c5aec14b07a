import { messageOf } from '../../model/errors.js';
import type { BoundSerde } from '../../serdes/serde.js';
import type { StoreSpec } from '../../state/contract.js';
import { TEXT_KEYS } from '../input-record.js';
import { type Io, write } from '../io.js';
import { DEFAULT_STATE, type StateSelection, storeParts } from '../open-state.js';
import { wholeNumber } from '../options.js';
import type { Program } from '../program.js';
import { SCHEMA_REGISTRY } from '../schema-registry.js';
import { toJson } from '../show.js';
import { usage } from '../usage.js';

interface Options extends StateSelection {
  readonly store: string;
  readonly key: string;
}

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
    .option(...SCHEMA_REGISTRY)
    .option('--partition <number>', 'look into this partition only (default: all)', wholeNumber('--partition', 0))
    .addHelpText(
      'after',
      '\nExamples:\n  $ millrace state get topology.ts --store balances --key alice\n  $ millrace state get topology.ts --store orders --key \'{"id":7}\'',
    )
    .action((file, options) => program.act((io) => get(file, options, io)));
}

async function get(file: string, options: Options, io: Io): Promise<number> {
  let found = 0;
  for await (const { spec, partition, state } of storeParts(file, options, io)) {
    const key = parseKey(spec, options.key);
    const store = state.store<unknown, unknown>(spec.name);
    if ((await store.load(key)) === null) continue;
    found++;
    const row = store.row(key);
    await write(
      io.stdout,
      `${toJson({ store: spec.name, partition, key, value: row?.value, timestamp: row?.timestamp })}\n`,
    );
  }
  if (found > 0) return 0;
  await write(io.stderr, `no row with the key ${options.key} in the store ${options.store}\n`);
  return 1;
}

function parseKey({ name, key }: StoreSpec, text: string): unknown {
  try {
    const parsed: unknown = TEXT_KEYS.includes(key.name)
      ? text
      : key.name === 'bigint64'
        ? BigInt(text)
        : JSON.parse(text);
    const made = 'fromJson' in key ? (key as BoundSerde<unknown>).fromJson(parsed) : parsed;
    key.encode(made);
    return made;
  } catch (error) {
    throw usage(
      `cannot read --key for the store ${name}`,
      `${JSON.stringify(text)} (${messageOf(error)})`,
      `a key of the serde ${key.name}, written as JSON`,
    );
  }
}
