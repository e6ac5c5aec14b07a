import { resolve } from 'node:path';
import type { Topology } from '../../dsl/contract/processor.js';
import { withoutLogin } from '../../model/text/secret.js';
import type { RunOptions } from '../options/run-options.js';
import type { Io } from '../terminal/io.js';

/** What the first line of a run says: which application, on which broker, with which stores. */
export function startingWith(topology: Topology, { app, broker, state }: RunOptions, { cwd }: Io): object {
  const [, directory] = /^embedded:(.*)$/.exec(broker) ?? [];
  return {
    app: app ?? topology.name,
    broker: directory === undefined ? withoutLogin(broker) : `embedded:${resolve(cwd, directory)}`,
    state: resolve(cwd, state),
  };
}
