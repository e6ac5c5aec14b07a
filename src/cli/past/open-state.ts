import { resolve } from 'node:path';
import { checkStore } from '../../replay/answers/past-store.js';
import { type Moment, type StoreOnDisk, stateAsOf, stateOnDisk } from '../../replay/index.js';
import { checkedTopology } from '../load/checked-topology.js';
import { registryOf } from '../options/schema-registry.js';
import { type Io, write } from '../terminal/io.js';
import { type LookBackOptions, lookBack, warnOfGaps } from './past.js';

export interface StateSelection extends LookBackOptions {
  readonly store?: string | undefined;
  readonly partition?: number | undefined;
  /** The state at this moment. Default: as it is. */
  readonly asOf?: Moment | undefined;
}

/**
 * Passes the stores of an application to a function, one task after the other. These are the stores on disk;
 * if the application runs, its processes are asked. Rows and identities stay unchanged. Or they are the
 * stores at a moment, reconstructed from the topics. Returns the exit code of the function, or the signal's
 * exit code.
 *
 * Errors: STORE_UNKNOWN for a store that the topology does not have. On disk: STATE_LOCKED if the application
 * runs and does not answer, STATE_MISMATCH if there is no state, or if stores have other serdes. As of a
 * moment: those of `stateAsOf`.
 */
export async function withStores(
  file: string,
  selection: StateSelection,
  io: Io,
  use: (parts: AsyncIterable<StoreOnDisk>) => Promise<number>,
): Promise<number> {
  const { asOf } = selection;
  if (asOf === undefined) return use(partsOnDisk(file, selection, io));
  return lookBack(file, selection, io, async ({ topology, past, say }) => {
    checkStore(topology, selection.store);
    const state = await stateAsOf(topology, { ...past, asOf });
    try {
      warnOfGaps(state.gaps, say);
      const selected = state.stores.filter(
        ({ spec, partition }) =>
          spec.name === (selection.store ?? spec.name) && partition === (selection.partition ?? partition),
      );
      return await use(partsOf(selected));
    } finally {
      await state.close();
    }
  });
}

async function* partsOf(stores: readonly Omit<StoreOnDisk, 'changelog' | 'pid'>[]): AsyncGenerator<StoreOnDisk> {
  for (const store of stores) yield { ...store, changelog: null, pid: null };
}

async function* partsOnDisk(file: string, selection: StateSelection, io: Io): AsyncGenerator<StoreOnDisk> {
  const { app, state, store, partition } = selection;
  const topology = await checkedTopology(file, { cwd: io.cwd, check: false });
  const asked = new Set<number>();
  const options = { stateDirectory: resolve(io.cwd, state), applicationId: app, store, partition, clock: io.clock };
  for await (const part of stateOnDisk(topology, { ...options, schemaRegistry: registryOf(selection, io, file) })) {
    if (part.pid !== null && !asked.has(part.pid)) {
      asked.add(part.pid);
      await write(io.stderr, `read through the running process ${part.pid}: rows as of its last commits\n`);
    }
    yield part;
  }
}
