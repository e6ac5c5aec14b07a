import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Topology } from '../dsl/processor.js';
import type { SubTopology } from '../graph/graph.js';
import { taskId } from '../graph/naming.js';
import { StreamsError } from '../model/errors.js';
import { CacheBudget } from '../state/cache-budget.js';
import type { StoreSpec } from '../state/contract.js';
import { diskIdentityFiles, type IdentityFiles } from '../state/identity-files.js';
import { openRocksDatabase } from '../state/rocksdb.js';
import { TaskState } from '../state/task-state.js';
import { checkedTopology } from './checked-topology.js';
import { declared, storesOf } from './declared.js';
import type { Io } from './io.js';

export const DEFAULT_STATE = '.millrace/state';

/** Rows are looked at once: nothing is worth keeping. */
const CACHE_BYTES = 1024 * 1024;

export interface StateSelection {
  readonly app?: string | undefined;
  readonly state: string;
  readonly store?: string | undefined;
  readonly partition?: number | undefined;
}

/** One task's part of a store. */
export interface StorePart {
  readonly spec: StoreSpec;
  readonly task: string;
  readonly partition: number;
  readonly state: TaskState;
}

/**
 * Looks into the stores that a stopped application left on disk, one task after the other. Nothing is changed: no row, no identity.
 *
 * STATE_LOCKED while the application runs, STATE_MISMATCH if there is no state of it or stores are of other serdes, STORE_UNKNOWN for a store that the topology does not have.
 */
export async function* storeParts(file: string, selection: StateSelection, io: Io): AsyncGenerator<StorePart> {
  const topology = await checkedTopology(file, { cwd: io.cwd, check: false });
  const stores = storesOf(declared(topology));
  if (selection.store !== undefined && !stores.some(({ name }) => name === selection.store))
    throw unknownStore(topology, selection.store);
  const application = selection.app ?? topology.name;
  const root = resolve(io.cwd, selection.state);
  const tasks = findTasks(topology, join(root, application)).filter(
    ({ partition }) => partition === (selection.partition ?? partition),
  );
  if (tasks.length === 0) throw noState(join(root, application), selection.partition);
  for (const { subTopology, partition } of tasks) {
    const specs = stores.filter(({ name }) => subTopology.stores.includes(name));
    if (specs.length === 0) continue;
    const task = taskId(subTopology.id, partition);
    const state = await TaskState.open({
      root,
      applicationId: application,
      taskId: task,
      topology: topology.name,
      stores: specs,
      openDatabase: openRocksDatabase,
      budget: new CacheBudget(CACHE_BYTES),
      files: readOnlyFiles,
    });
    try {
      for (const spec of specs)
        if (spec.name === (selection.store ?? spec.name)) yield { spec, task, partition, state };
    } finally {
      await state.close();
    }
  }
}

/** A store that was declared since has no rows in there; it gets its place when the application is run. */
const readOnlyFiles: IdentityFiles = {
  read: (path) => diskIdentityFiles.read(path),
  writeAtomically: async () => undefined,
};

interface FoundTask {
  readonly subTopology: SubTopology;
  readonly partition: number;
}

/** The tasks that have a directory, by sub-topology and partition. */
function findTasks(topology: Topology, directory: string): readonly FoundTask[] {
  const names = existsSync(directory) ? readdirSync(directory) : [];
  return topology.graph.subTopologies.flatMap((subTopology) =>
    names
      .flatMap((name) => {
        const partition = name.startsWith(`${subTopology.id}-`) ? name.slice(subTopology.id.length + 1) : '';
        // Opening what is not there would create it.
        return /^\d+$/.test(partition) && existsSync(join(directory, name, 'identity.json'))
          ? [{ subTopology, partition: Number(partition) }]
          : [];
      })
      .sort((a, b) => a.partition - b.partition),
  );
}

const unknownStore = (topology: Topology, store: string): StreamsError =>
  new StreamsError('STORE_UNKNOWN', {
    what: `there is no store ${JSON.stringify(store)}`,
    at: `topology ${topology.name}`,
    saw: topology.graph.stores.map(({ name }) => name).join(', ') || 'no stores',
    action: 'Use the name of one of its stores.',
  });

const noState = (directory: string, partition: number | undefined): StreamsError =>
  new StreamsError('STATE_MISMATCH', {
    what:
      partition === undefined ? 'there is no state of the application' : `there is no state of partition ${partition}`,
    at: directory,
    saw: 'no directory of a task of the topology',
    expected: 'one a task, as `millrace run` makes them',
    action: 'Correct --state or --app, or run the application first.',
  });
