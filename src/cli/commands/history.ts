import { plainText } from '../../model/text/plain-text.js';
import { checkStore, storesDeclared } from '../../replay/answers/past-store.js';
import { history, type Moment } from '../../replay/index.js';
import { KeyForms } from '../past/key-forms.js';
import { type LookBackOptions, lookBack, pastSerdes } from '../past/past.js';
import {
  formatOption,
  KEY_HELP,
  type OutputFormat,
  pastMoment,
  WINDOWS_HELP,
  withPastOptions,
} from '../past/past-options.js';
import { changeText } from '../past/show-past.js';
import { parseLookupKey } from '../past/store-key.js';
import { type Io, write } from '../terminal/io.js';
import type { Program } from '../terminal/program.js';
import { toJson } from '../terminal/show.js';

interface Options extends LookBackOptions {
  readonly store: string;
  readonly key: string;
  readonly until?: Moment | undefined;
  readonly format: OutputFormat;
}

const EXAMPLES = `${KEY_HELP}

A write that leaves the row as it was is no change. Neither is the expiry of a row, because no event causes it.
${WINDOWS_HELP}

Example:
  $ millrace history topology.ts --store balances --key alice
  $ millrace history topology.ts --store balances --key alice --format json | jq .event.offset`;

/** `millrace history FILE --store S --key K`: prints the audit trail of a row. */
export function addHistory(program: Program): void {
  withPastOptions(
    program.parent
      .command('history')
      .description(
        'print every change of a row, or of all windows of a key, with the event that caused it; exit code 1 if there is none',
      )
      .argument('<file>', 'the file that exports the topology')
      .requiredOption('--store <name>', 'the store')
      .requiredOption('--key <key>', 'the key: text for stores with text keys, JSON for the others')
      .option('--until <moment>', 'look up to this moment (default: latest)', pastMoment('--until'))
      .addOption(formatOption()),
  )
    .addHelpText('after', EXAMPLES)
    .action((file, options) => program.act((io) => show(file, options, io)));
}

function show(file: string, options: Options, io: Io): Promise<number> {
  return lookBack(file, options, io, async ({ topology, past, say }) => {
    const { store, until, format } = options;
    checkStore(topology, store);
    const spec = storesDeclared(await pastSerdes(topology, past).declare(topology)).find(({ name }) => name === store);
    const key = spec && parseLookupKey(spec, options.key);
    const forms = await KeyForms.of(topology, past);
    let found = 0;
    for await (const seen of history(topology, { ...past, store, key, ...(until && { until }) })) {
      const change = forms.change(seen);
      await write(
        io.stdout,
        format === 'json' ? `${toJson(change)}\n` : `${found > 0 ? '\n' : ''}${changeText(change)}\n`,
      );
      found++;
      if (io.outputClosed.aborted) return 0;
    }
    if (found > 0) return 0;
    say(`the store ${store} never had a row with the key ${plainText(options.key)}`);
    return 1;
  });
}
