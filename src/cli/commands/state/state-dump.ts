import { keyForm } from '../../../serdes/key-form.js';
import { type StateSelection, withStores } from '../../past/open-state.js';
import { withStateOptions } from '../../past/past-options.js';
import { type Io, write } from '../../terminal/io.js';
import type { Program } from '../../terminal/program.js';
import { toJson } from '../../terminal/show.js';

const LINES_PER_WRITE = 500;

/** `millrace state dump FILE`: prints all rows. */
export function addStateDump(program: Program): void {
  withStateOptions(
    program.parent
      .command('dump')
      .description('print all rows as JSON lines, in the order of their keys within each store and partition')
      .argument('<file>', 'the file that exports the topology')
      .option('--store <name>', 'this store only'),
  )
    .addHelpText('after', `\nExample:\n  $ millrace state dump topology.ts --store balances | jq .value.total`)
    .action((file, options) => program.act((io) => dump(file, options, io)));
}

function dump(file: string, options: StateSelection, io: Io): Promise<number> {
  return withStores(file, options, io, async (parts) => {
    for await (const { spec, partition, key: serde, entries } of parts) {
      let lines: string[] = [];
      for await (const [key, value] of entries()) {
        lines.push(`${toJson({ store: spec.name, partition, key: keyForm(serde, key), value })}\n`);
        if (lines.length < LINES_PER_WRITE) continue;
        await write(io.stdout, lines.join(''));
        if (io.outputClosed.aborted) return 0;
        lines = [];
      }
      if (lines.length > 0) await write(io.stdout, lines.join(''));
    }
    return 0;
  });
}
