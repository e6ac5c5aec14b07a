import { plainText } from '../../../model/text/plain-text.js';
import type { StoreOnDisk } from '../../../replay/index.js';
import { keyForm } from '../../../serdes/key-form.js';
import { isWindowed } from '../../../serdes/serde.js';
import { moment as instant } from '../../options/options.js';
import { type StateSelection, withStores } from '../../past/open-state.js';
import { KEY_HELP, withStateOptions } from '../../past/past-options.js';
import { parseKey, parseWindow } from '../../past/store-key.js';
import { type Io, write } from '../../terminal/io.js';
import type { Program } from '../../terminal/program.js';
import { toJson } from '../../terminal/show.js';
import { usage } from '../../terminal/usage.js';

interface Options extends StateSelection {
  readonly store: string;
  readonly key: string;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

const EXAMPLES = `${KEY_HELP}

In a window store, --key is the key of the windows, and all its windows are printed, ordered by start. To select one window,
write it as it is printed: {"key":…,"start":…,"end":…}, with an end of null for a window that never ends.

Examples:
  $ millrace state get topology.ts --store balances --key alice
  $ millrace state get topology.ts --store orders --key '{"id":7}'
  $ millrace state get topology.ts --store clicks --key alice --from 2026-01-01T00:00Z --to 2026-01-01T12:00Z
  $ millrace state get topology.ts --store clicks --key '{"key":"alice","start":0,"end":60000}'
  $ millrace state get topology.ts --store balances --key alice --as-of 2026-03-01T12:00:00Z --snapshot-every 100000`;

/** `millrace state get FILE --store S --key K`: prints one row. */
export function addStateGet(program: Program): void {
  withStateOptions(
    program.parent
      .command('get')
      .description('print the row of a key as JSON, or all its windows; exit code 1 if there is none')
      .argument('<file>', 'the file that exports the topology')
      .requiredOption('--store <name>', 'the store')
      .requiredOption('--key <key>', 'the key: text for stores with text keys, JSON for the others')
      .option(
        '--from <time>',
        'only windows that start at this time or later (ISO 8601, or milliseconds since the epoch)',
        instant('--from'),
      )
      .option('--to <time>', 'only windows that start at this time or earlier', instant('--to')),
  )
    .addHelpText('after', EXAMPLES)
    .action((file, options) => program.act((io) => get(file, options, io)));
}

async function get(file: string, options: Options, io: Io): Promise<number> {
  let found = 0;
  const code = await withStores(file, options, io, async (parts) => {
    for await (const part of parts) {
      for (const key of await keysOf(part, options)) {
        const row = await part.row(key);
        if (row === null) continue;
        found++;
        const { spec, partition } = part;
        const { value, timestamp } = row;
        await write(
          io.stdout,
          `${toJson({ store: spec.name, partition, key: keyForm(part.key, key), value, timestamp })}\n`,
        );
      }
    }
    return 0;
  });
  if (code !== 0 || found > 0) return code;
  await write(io.stderr, `no row with the key ${plainText(options.key)} in the store ${options.store}\n`);
  return 1;
}

/** The key, or all windows of the key. */
async function keysOf({ spec, key: serde, windows }: StoreOnDisk, options: Options): Promise<readonly unknown[]> {
  const { key: text, from, to } = options;
  const owner = `the store ${spec.name}`;
  if (!isWindowed(serde)) {
    if (from === undefined && to === undefined) return [parseKey(serde, text, owner)];
    throw usage(`--from and --to mean nothing to the store ${spec.name}`, `keys of the serde ${serde.name}`, 'windows');
  }
  const window = parseWindow(serde, text);
  if (window) return [window];
  return (await windows(parseKey(serde.inner, text, owner), { from, to })).map(([key]) => key);
}
