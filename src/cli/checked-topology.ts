import { resolve } from 'node:path';
import type { Topology } from '../dsl/processor.js';
import { StreamsError } from '../model/errors.js';
import { loadTopology } from './load-topology.js';
import { checkTypes, type TypeCheck, type TypeProblem } from './type-check.js';

export interface CheckedTopologyOptions {
  readonly cwd: string;
  /** Whether to look for type errors. */
  readonly check: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Loads a topology file, looks for type errors meanwhile, and draws the graph. Errors: those of
 * {@link loadTopology}; TOPOLOGY_INVALID for type errors, and with what is wrong with the graph.
 */
export async function checkedTopology(file: string, options: CheckedTopologyOptions): Promise<Topology> {
  const cancel = new AbortController();
  // A check that cannot be made, or was cancelled, found nothing.
  const checking = startCheck(file, options, cancel).catch(
    (error: Error): TypeCheck => ({ skipped: error.message, problems: [] }),
  );
  try {
    const topology = await loadTopology(file, options.cwd);
    const { problems } = await checking;
    if (problems.length > 0) throw typeErrors(resolve(options.cwd, file), problems);
    void topology.graph;
    return topology;
  } finally {
    cancel.abort();
    // Lets it remove what it wrote.
    await checking;
  }
}

async function startCheck(file: string, options: CheckedTopologyOptions, cancel: AbortController): Promise<TypeCheck> {
  if (!options.check) return { skipped: 'it was not asked for', problems: [] };
  const signal = options.signal === undefined ? cancel.signal : AbortSignal.any([cancel.signal, options.signal]);
  return checkTypes(resolve(options.cwd, file), signal);
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
