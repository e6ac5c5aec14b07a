import { Option } from '@commander-js/extra-typings';
import { type DescribeFormat, describe } from '../../graph/describe.js';
import { checkedTopology } from '../load/checked-topology.js';
import { write } from '../terminal/io.js';
import type { Program } from '../terminal/program.js';

const FORMATS = ['text', 'json', 'mermaid'] as const satisfies readonly DescribeFormat[];

/** `millrace describe FILE`: prints the topology's graph on standard output. */
export function addDescribe(program: Program): void {
  program.parent
    .command('describe')
    .description('show the sub-topologies, stores and topics of a topology')
    .argument('<file>', 'the file that exports the topology')
    .addOption(new Option('--format <format>', 'the output format').choices(FORMATS).default('text' as const))
    .option('--no-check', 'do not check types')
    .addHelpText(
      'after',
      '\nExamples:\n  $ millrace describe topology.ts\n  $ millrace describe topology.ts --format mermaid > topology.mmd',
    )
    .action((file, { format, check }) =>
      program.act(async (io) => {
        const topology = await checkedTopology(file, { cwd: io.cwd, check });
        await write(io.stdout, describe(topology.graph, format));
        return 0;
      }),
    );
}
