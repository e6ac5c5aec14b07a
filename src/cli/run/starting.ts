import { resolve } from 'node:path';
import type { Topology } from '../../dsl/contract/processor.js';
import { withoutLogin } from '../../model/text/secret.js';
import { resolveConfig } from '../../runtime/config/config.js';
import { engineOptionsOf, type RunOptions } from '../options/run-options.js';
import type { Io } from '../terminal/io.js';

/**
 * What the first line of a run says: which application, on which broker, with which stores. CONFIG_INVALID
 * for an option that cannot be used: nothing is opened then.
 */
export function startingWith(topology: Topology, options: RunOptions, { cwd }: Io): object {
  const { app, broker, state } = options;
  resolveConfig(topology.name, engineOptionsOf(options, false));
  const [, directory] = /^embedded:(.*)$/.exec(broker) ?? [];
  return {
    app: app ?? topology.name,
    broker: directory === undefined ? withoutLogin(broker) : `embedded:${resolve(cwd, directory)}`,
    state: resolve(cwd, state),
  };
}
