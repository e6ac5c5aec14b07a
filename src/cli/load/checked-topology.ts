import type { Topology } from '../../dsl/contract/processor.js';
import { StreamsError } from '../../model/errors.js';
import { loadTopology } from './load-topology.js';
import { topologyFile } from './topology-file.js';
import { checkTypes, type TypeCheck, type TypeProblem } from './type-check.js';

export interface CheckedTopologyOptions {
  readonly cwd: string;
  /** Whether to check types. */
  readonly check: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Loads a topology file, checks its types meanwhile, and builds the graph. Errors: those of
 * {@link loadTopology}; TOPOLOGY_INVALID for type errors, and for problems of the graph.
 */
export async function checkedTopology(file: string, options: CheckedTopologyOptions): Promise<Topology> {
  const cancel = new AbortController();
  // A failed or cancelled check has found nothing.
  const checking = startCheck(file, options, cancel).catch(
    (error: Error): TypeCheck => ({ skipped: error.message, problems: [] }),
  );
  try {
    const topology = await loadTopology(file, options.cwd);
    const { problems } = await checking;
    if (problems.length > 0) throw typeErrors(topologyFile(file, options.cwd).path, problems);
    void topology.graph;
    return topology;
  } finally {
    cancel.abort();
    // Waits until the check has removed its files.
    await checking;
  }
}

async function startCheck(file: string, options: CheckedTopologyOptions, cancel: AbortController): Promise<TypeCheck> {
  if (!options.check) return { skipped: '--no-check was given', problems: [] };
  const signal = options.signal === undefined ? cancel.signal : AbortSignal.any([cancel.signal, options.signal]);
  return checkTypes(topologyFile(file, options.cwd).path, signal);
}

function typeErrors(path: string, problems: readonly TypeProblem[]): StreamsError {
  const count = `${problems.length} type error${problems.length === 1 ? '' : 's'}`;
  return new StreamsError('TOPOLOGY_INVALID', {
    what: `the file has ${count}`,
    at: path,
    action: `Correct ${problems.length === 1 ? 'it' : 'them'}, or skip the check with --no-check:`,
    list: problems.map(({ where, what }) => `${where}: ${what}`),
  });
}
