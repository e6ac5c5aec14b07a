import type { AnySerde } from '../../dsl/processor.js';
import { messageOf } from '../../model/errors.js';
import type { Windowed } from '../../model/window.js';
import { type BoundSerde, isWindowed } from '../../serdes/serde.js';
import { windowsOf } from '../../state/shown-store.js';
import { TEXT_KEYS } from '../input-record.js';
import { type Io, write } from '../io.js';
import { DEFAULT_STATE, type StateSelection, type StorePart, storeParts } from '../open-state.js';
import { moment, wholeNumber } from '../options.js';
import type { Program } from '../program.js';
import { SCHEMA_REGISTRY } from '../schema-registry.js';
import { toJson } from '../show.js';
import { usage } from '../usage.js';

interface Options extends StateSelection {
  readonly store: string;
  readonly key: string;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

/** `millrace state get FILE --store S --key K`: one row. */
export function addStateGet(program: Program): void {
  program.parent
    .command('get')
    .description('print the row of a key as JSON, or all windows of it; exit code 1 if there is none')
    .argument('<file>', 'the file that exports the topology')
    .requiredOption('--store <name>', 'the store')
    .requiredOption('--key <key>', 'the key: text for stores with text keys, JSON for the others')
    .option(
      '--from <time>',
      'only windows that start then or later (ISO 8601, or milliseconds since the epoch)',
      moment('--from'),
    )
    .option('--to <time>', 'only windows that start then or earlier', moment('--to'))
    .option('--app <id>', "the application (default: the topology's name)")
    .option('--state <directory>', 'where the state is', DEFAULT_STATE)
    .option(...SCHEMA_REGISTRY)
    .option('--partition <number>', 'look into this partition only (default: all)', wholeNumber('--partition', 0))
    .addHelpText(
      'after',
      [
        '\nIn a store of windows, --key names the key within them, and all its windows are printed in the order of their starts.',
        'One of them is named as it is printed: {"key":…,"start":…,"end":…}, an end of null for a window that never ends.',
        '\nExamples:',
        '  $ millrace state get topology.ts --store balances --key alice',
        '  $ millrace state get topology.ts --store orders --key \'{"id":7}\'',
        '  $ millrace state get topology.ts --store clicks --key alice --from 2026-01-01T00:00Z --to 2026-01-01T12:00Z',
        '  $ millrace state get topology.ts --store clicks --key \'{"key":"alice","start":0,"end":60000}\'',
      ].join('\n'),
    )
    .action((file, options) => program.act((io) => get(file, options, io)));
}

async function get(file: string, options: Options, io: Io): Promise<number> {
  let found = 0;
  for await (const part of storeParts(file, options, io)) {
    const { spec, partition, rows } = part;
    for (const key of await keysOf(part, options)) {
      const row = await rows.peek(key);
      if (row === null) continue;
      found++;
      const { value, timestamp } = row;
      await write(io.stdout, `${toJson({ store: spec.name, partition, key, value, timestamp })}\n`);
    }
  }
  if (found > 0) return 0;
  await write(io.stderr, `no row with the key ${options.key} in the store ${options.store}\n`);
  return 1;
}

/** The key, or all windows of it. */
async function keysOf({ spec, key: serde, state }: StorePart, options: Options): Promise<readonly unknown[]> {
  const { key: text, from, to } = options;
  if (!isWindowed(serde)) {
    if (from === undefined && to === undefined) return [parseKey(spec.name, serde, text)];
    throw usage(`--from and --to mean nothing to the store ${spec.name}`, `keys of the serde ${serde.name}`, 'windows');
  }
  const window = parseWindow(serde, text);
  if (window) return [window];
  const windows = await windowsOf(state.cached(spec.name), parseKey(spec.name, serde.inner, text), { from, to });
  return (windows ?? []).map(([key]) => key);
}

/** A window as it is printed; undefined if the text is none. */
function parseWindow(serde: AnySerde, text: string): Windowed<unknown> | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const { key, start, end, ...others } = JSON.parse(text);
    const whole = key !== undefined && Number.isSafeInteger(start) && (end === null || Number.isSafeInteger(end));
    if (!whole || Object.keys(others).length > 0) return undefined;
    if ('fromJson' in serde) return (serde as BoundSerde<Windowed<unknown>>).fromJson({ key, start, end });
    return { key, start, end: end ?? Number.POSITIVE_INFINITY };
  } catch {
    return undefined;
  }
}

function parseKey(store: string, key: AnySerde, text: string): unknown {
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
      `cannot read --key for the store ${store}`,
      `${JSON.stringify(text)} (${messageOf(error)})`,
      `a key of the serde ${key.name}, written as JSON`,
    );
  }
}
