import type { Topology } from '../../dsl/contract/processor.js';
import type { Problem } from '../../graph/graph.js';
import { isStreamsError } from '../../model/errors.js';
import { loadTopology } from '../load/load-topology.js';
import { topologyFile } from '../load/topology-file.js';
import { checkTypes } from '../load/type-check.js';
import { coloured, type Io, write } from '../terminal/io.js';
import type { Program } from '../terminal/program.js';

/** `millrace validate FILE`: reports every problem, each with its fix. */
export function addValidate(program: Program): void {
  program.parent
    .command('validate')
    .description('check a topology and its types without running it')
    .argument('<file>', 'the file that exports the topology')
    .addHelpText(
      'after',
      '\nTypes are checked with the TypeScript of the project, if it is installed. Exit code 1 if anything is wrong.\n\nExample:\n  $ millrace validate topology.ts',
    )
    .action((file) => program.act((io) => validate(file, io)));
}

async function validate(file: string, io: Io): Promise<number> {
  const topology = await loadTopology(file, io.cwd);
  const types = await checkTypes(topologyFile(file, io.cwd).path, new AbortController().signal);
  const graphProblems = problemsOf(topology, types.problems.length > 0);
  const lines = [
    ...types.problems.map(({ where, what }) => `- ${where}: ${what}`),
    ...graphProblems.map(({ where, what, advice }) => `- ${where}: ${what}. ${advice}`),
  ];
  if (types.skipped !== undefined) await write(io.stderr, `types were not checked: ${types.skipped}\n`);
  if (lines.length === 0) {
    await write(io.stdout, `topology ${topology.name} is valid\n`);
    return 0;
  }
  const count = `${lines.length} problem${lines.length === 1 ? '' : 's'}`;
  const code = coloured(io, io.stderr, 'red', 'TOPOLOGY_INVALID');
  await write(io.stderr, `${code}: topology ${topology.name} has ${count}\n${lines.join('\n')}\n`);
  return 1;
}

/**
 * The topology may come from another copy of the library, so the error with the list of problems is
 * recognized by its fields. An error without a list (the topology function threw) is rethrown, unless there
 * are other problems to list.
 */
function problemsOf(topology: Topology, others: boolean): readonly Problem[] {
  try {
    void topology.graph;
    return [];
  } catch (error) {
    if (isStreamsError(error) && 'problems' in error && Array.isArray(error.problems))
      return error.problems as Problem[];
    if (others && isStreamsError(error)) {
      const { problem: what, action: advice } = error;
      return [{ where: `topology ${topology.name}`, what, advice }];
    }
    throw error;
  }
}
