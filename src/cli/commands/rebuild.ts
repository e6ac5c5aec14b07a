import { resolve } from 'node:path';
import { Option } from '@commander-js/extra-typings';
import { checkStore } from '../../replay/answers/past-store.js';
import { type RebuildOptions, type RebuildProgress, rebuildStore } from '../../replay/index.js';
import { codeVersion } from '../load/code-version.js';
import { topologyFile } from '../load/topology-file.js';
import { brokerUrl, DEFAULT_BROKER, KAFKA_CONFIG } from '../options/broker-url.js';
import { DEFAULT_STATE, errorPolicies, size } from '../options/options.js';
import { SCHEMA_REGISTRY } from '../options/schema-registry.js';
import { APP, type LookBackOptions, lookBack, ON_ERROR, ON_ERROR_HELP, warnOfGaps } from '../past/past.js';
import { agreed, checkAskable } from '../terminal/ask.js';
import { type Io, write } from '../terminal/io.js';
import type { Program } from '../terminal/program.js';
import { formatCount, Rate } from '../terminal/rate.js';
import { rebuiltText } from '../versions/rebuilt-text.js';

interface Options extends LookBackOptions {
  readonly store: string;
  readonly from: NonNullable<RebuildOptions['from']>;
  readonly dryRun?: true | undefined;
  readonly yes?: true | undefined;
}

const EXAMPLES = `
The command builds a new copy of the store, compares it with the old one, and replaces the old one when you agree. It does
this for every task of the application with state on this machine. Other stores stay as they are. If it is interrupted at any
time, either the old or the new store is complete, the application may run, and the rebuild continues when you run it again.

--from changelog restores the store as a machine without state would. --from sources processes all records of the source
topics once more with the current code, as if each had been processed once. It writes nothing to output topics and calls no
effect. It writes the differences to the changelog, so that all machines restore the same rows. No process of the application
may run then, on any machine.

Examples:
  $ millrace rebuild topology.ts --store balances --dry-run
  $ millrace rebuild topology.ts --store balances --from sources --yes`;

/** `millrace rebuild FILE --store NAME`: rebuilds a store. */
export function addRebuild(program: Program): void {
  program.parent
    .command('rebuild')
    .description('rebuild a store of a stopped application, and replace the old one')
    .argument('<file>', 'the file that exports the topology')
    .requiredOption('--store <name>', 'the store')
    .addOption(
      new Option('--from <what>', 'what to rebuild it from')
        .choices(['changelog', 'sources'] as const)
        .default('changelog' as const),
    )
    .option(...APP)
    .option('--state <directory>', 'the directory of the stores', DEFAULT_STATE)
    .option('--broker <url>', 'the broker of the topics', brokerUrl, DEFAULT_BROKER)
    .option(...KAFKA_CONFIG)
    .option(...SCHEMA_REGISTRY)
    .option(ON_ERROR, ON_ERROR_HELP, errorPolicies)
    .option('--cache <size>', 'memory for cached rows while the sources are replayed (default: 32MB)', size('--cache'))
    .option('--dry-run', 'compare, and change nothing')
    .option('--yes', 'do not ask for confirmation')
    .addHelpText('after', EXAMPLES)
    .action((file, options) => program.act((io) => rebuild(file, options as Options, io)));
}

function rebuild(file: string, options: Options, io: Io): Promise<number> {
  const { dryRun, yes } = options;
  if (!dryRun && !yes) checkAskable(io);
  return lookBack(file, options, io, async ({ topology, past, say, show }) => {
    checkStore(topology, options.store);
    const { broker, applicationId, onError, defaultOnError, cacheBytes, schemaRegistry, signal } = past;
    const shown = progress(io, show);
    const { swapped, tasks } = await rebuildStore(topology, {
      broker,
      store: options.store,
      from: options.from,
      stateDirectory: resolve(io.cwd, options.state),
      version: codeVersion(topologyFile(file, io.cwd).path),
      ...(applicationId !== undefined && { applicationId }),
      ...(onError && { onError }),
      ...(defaultOnError && { defaultOnError }),
      ...(cacheBytes !== undefined && { cacheBytes }),
      ...(schemaRegistry && { schemaRegistry }),
      ...(signal && { signal }),
      onProgress: shown,
      confirm: async (compared, gaps) => {
        warnOfGaps(gaps, say);
        await write(io.stdout, rebuiltText(options.store, compared));
        return !dryRun && (yes === true || agreed(io, 'Replace the old store with the new one?', signal));
      },
    });
    for (const { task, finished } of tasks)
      if (swapped && finished) say(`${task}: the new store of an earlier rebuild is in place; its remains are removed`);
    say(swapped ? 'done' : 'nothing was changed');
    return swapped || dryRun ? 0 : 1;
  });
}

function progress(io: Io, show: (text: () => string) => void): (progress: RebuildProgress) => void {
  let rate = new Rate(io.clock);
  let last = '';
  return ({ task, doing, done, total }) => {
    const work = `${doing} ${task}`;
    if (work !== last) rate = new Rate(io.clock);
    last = work;
    show(() => {
      rate.sample(done);
      const of = total === null ? '' : ` of ${formatCount(total)}`;
      return `${work}: ${formatCount(done)}${of} records, ${rate.text(Math.max(0, (total ?? 0) - done))}`;
    });
  };
}
