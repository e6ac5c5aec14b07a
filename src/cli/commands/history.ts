import { Option } from '@commander-js/extra-typings';
import { history, type Moment } from '../../replay/index.js';
import { brokerUrl, DEFAULT_BROKER, KAFKA_CONFIG } from '../broker-url.js';
import { storesOf } from '../declared.js';
import { type Io, write } from '../io.js';
import { checkStore, DEFAULT_STATE } from '../open-state.js';
import { errorPolicies, size } from '../options.js';
import {
  APP,
  type LookBackOptions,
  lookBack,
  MOMENT_HELP,
  moment,
  ON_ERROR,
  ON_ERROR_HELP,
  pastSerdes,
  SNAPSHOT_EVERY,
  SNAPSHOT_EVERY_HELP,
  SNAPSHOTS_IN,
  SNAPSHOTS_IN_HELP,
  snapshotEvery,
  WINDOWS_HELP,
} from '../past.js';
import type { Program } from '../program.js';
import { SCHEMA_REGISTRY } from '../schema-registry.js';
import { toJson } from '../show.js';
import { changeText } from '../show-past.js';
import { parseWantedKey } from '../store-key.js';

const FORMATS = ['text', 'json'] as const;

interface Options extends LookBackOptions {
  readonly store: string;
  readonly key: string;
  readonly until?: Moment | undefined;
  readonly format: (typeof FORMATS)[number];
}

const EXAMPLES = `
A write that leaves the row as it was is no change; a row that expires is gone without an event, so that is none, either.
${WINDOWS_HELP}

Example:
  $ millrace history topology.ts --store balances --key alice
  $ millrace history topology.ts --store balances --key alice --format json | jq .event.offset`;

/** `millrace history FILE --store S --key K`: the audit trail of a row. */
export function addHistory(program: Program): void {
  program.parent
    .command('history')
    .description(
      'print every change of a row, or of all windows of a key, with the event that caused it; exit code 1 if there is none',
    )
    .argument('<file>', 'the file that exports the topology')
    .requiredOption('--store <name>', 'the store')
    .requiredOption('--key <key>', 'the key: text for stores with text keys, JSON for the others')
    .option('--until <moment>', 'up to there (default: latest)', moment('--until'))
    .addOption(new Option('--format <format>', 'how to show it').choices(FORMATS).default('text' as const))
    .option(...APP)
    .option(SNAPSHOTS_IN, SNAPSHOTS_IN_HELP, DEFAULT_STATE)
    .option('--broker <url>', 'where the topics are', brokerUrl, DEFAULT_BROKER)
    .option(...KAFKA_CONFIG)
    .option(...SCHEMA_REGISTRY)
    .option(SNAPSHOT_EVERY, SNAPSHOT_EVERY_HELP, snapshotEvery)
    .option(ON_ERROR, ON_ERROR_HELP, errorPolicies)
    .option('--cache <size>', 'memory for cached rows (default: 32MB)', size('--cache'))
    .addHelpText('after', `${MOMENT_HELP}\n${EXAMPLES}`)
    .action((file, options) => program.act((io) => show(file, options, io)));
}

function show(file: string, options: Options, io: Io): Promise<number> {
  return lookBack(file, options, io, async ({ topology, past, say }) => {
    const { store, until, format } = options;
    checkStore(topology, store);
    const spec = storesOf(await pastSerdes(topology, past).declare(topology)).find(({ name }) => name === store);
    const key = spec && parseWantedKey(spec, options.key);
    let found = 0;
    for await (const change of history(topology, { ...past, store, key, ...(until && { until }) })) {
      await write(
        io.stdout,
        format === 'json' ? `${toJson(change)}\n` : `${found > 0 ? '\n' : ''}${changeText(change)}\n`,
      );
      found++;
      if (io.outputClosed.aborted) return 0;
    }
    if (found > 0) return 0;
    say(`nothing was ever in the store ${store} under the key ${options.key}`);
    return 1;
  });
}
