import { type Io, write } from '../io.js';
import { DEFAULT_STATE, type StateSelection, storeParts } from '../open-state.js';
import { wholeNumber } from '../options.js';
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
    .addHelpText('after', '\nExample:\n  $ millrace state dump topology.ts --store balances | jq .value.total')
    .action((file, options) => program.act((io) => dump(file, options, io)));
}

async function dump(file: string, options: StateSelection, io: Io): Promise<number> {
  for await (const { spec, partition, rows } of storeParts(file, options, io)) {
    let lines: string[] = [];
    for await (const [key, value] of rows.entries()) {
      lines.push(`${toJson({ store: spec.name, partition, key, value })}\n`);
      if (lines.length < LINES_PER_WRITE) continue;
      await write(io.stdout, lines.join(''));
      if (io.outputClosed.aborted) return 0;
      lines = [];
    }
    if (lines.length > 0) await write(io.stdout, lines.join(''));
  }
  return 0;
}
