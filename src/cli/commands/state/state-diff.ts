import { checkStore, storesDeclared } from '../../../replay/answers/past-store.js';
import { stateDiff } from '../../../replay/index.js';
import { KeyForms } from '../../past/key-forms.js';
import type { StateSelection } from '../../past/open-state.js';
import { lookBack, pastSerdes, warnOfGaps } from '../../past/past.js';
import { KEY_HELP, pastMoment, WINDOWS_HELP, withPastOptions } from '../../past/past-options.js';
import { parseLookupKey } from '../../past/store-key.js';
import { type Io, write } from '../../terminal/io.js';
import type { Program } from '../../terminal/program.js';
import { toJson } from '../../terminal/show.js';
import { usage } from '../../terminal/usage.js';

interface Options extends Omit<StateSelection, 'partition' | 'asOf'> {
  readonly asOf: NonNullable<StateSelection['asOf']>;
  readonly to?: StateSelection['asOf'];
  readonly key?: string | undefined;
}

const EXAMPLES = `${KEY_HELP}

Each row that differs is one line of JSON: store, partition, key, before, after. A missing row is null.
${WINDOWS_HELP}

Example:
  $ millrace state diff topology.ts --store balances --as-of 2026-03-01 --to 2026-03-02`;

/** `millrace state diff FILE`: prints the rows that differ between two moments. */
export function addStateDiff(program: Program): void {
  withPastOptions(
    program.parent
      .command('diff')
      .description('print the rows that differ between two moments as JSON lines')
      .argument('<file>', 'the file that exports the topology')
      .requiredOption('--as-of <moment>', 'the earlier moment', pastMoment('--as-of'))
      .option('--to <moment>', 'the later one (default: latest)', pastMoment('--to'))
      .option('--store <name>', 'this store only')
      .option('--key <key>', 'with --store: this row only'),
  )
    .addHelpText('after', EXAMPLES)
    .action((file, options) => program.act((io) => diff(file, options, io)));
}

function diff(file: string, options: Options, io: Io): Promise<number> {
  return lookBack(file, options, io, async ({ topology, past, say }) => {
    const { store, asOf: before, to: after = { kind: 'latest' as const } } = options;
    checkStore(topology, store);
    const spec = storesDeclared(await pastSerdes(topology, past).declare(topology)).find(({ name }) => name === store);
    if (options.key !== undefined && !spec)
      throw usage('cannot use --key', 'no --store', 'the store that it is a key of');
    const key = options.key === undefined || !spec ? undefined : parseLookupKey(spec, options.key);
    const selection = { before, after, ...(store !== undefined && { store }), ...(key !== undefined && { key }) };
    const forms = await KeyForms.of(topology, past);
    for await (const row of stateDiff(topology, { ...past, ...selection, onGaps: (gaps) => warnOfGaps(gaps, say) })) {
      await write(io.stdout, `${toJson({ ...row, key: forms.row(row.store, row.key) })}\n`);
      if (io.outputClosed.aborted) break;
    }
    return 0;
  });
}
