import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { AnySerde, Topology } from '../dsl/processor.js';
import { StreamsError } from '../model/errors.js';
import { SerdePlaces } from '../runtime/serde-places.js';
import { CacheBudget } from '../state/cache-budget.js';
import type { StoreSpec } from '../state/contract.js';
import { GLOBAL_DIRECTORY, positionsOf } from '../state/global-state.js';
import { diskIdentityFiles, type IdentityFiles } from '../state/identity-files.js';
import { openRocksDatabase } from '../state/rocksdb.js';
import { shownStore } from '../state/shown-store.js';
import { TaskState } from '../state/task-state.js';
import { checkedTopology } from './checked-topology.js';
import { declared, storesOf } from './declared.js';
import type { Io } from './io.js';
import { type RegistrySelection, registryOf } from './schema-registry.js';

export const DEFAULT_STATE = '.millrace/state';

/** Rows are looked at once: nothing is worth keeping. */
const CACHE_BYTES = 1024 * 1024;

export interface StateSelection extends RegistrySelection {
  readonly app?: string | undefined;
  readonly state: string;
  readonly store?: string | undefined;
  readonly partition?: number | undefined;
}

/** One task's part of a store; or all of a global table. */
export interface StorePart {
  readonly spec: StoreSpec;
  readonly task: string;
  /** Null: all partitions. */
  readonly partition: number | null;
  readonly state: TaskState;
  readonly rows: ReturnType<typeof shownStore<unknown, unknown>>;
  /** How the keys and values of the rows are written. */
  readonly key: AnySerde;
  readonly value: AnySerde;
  /** Next offset of each topic that was read: everything before it is in the store. */
  readonly sources: Readonly<Record<string, number>>;
}

/**
 * Looks into the stores that a stopped application left on disk, one task after the other. Nothing is changed: no row, no identity.
 *
 * STATE_LOCKED while the application runs, STATE_MISMATCH if there is no state of it or stores are of other serdes, STORE_UNKNOWN for a store that the topology does not have.
 */
export async function* storeParts(file: string, selection: StateSelection, io: Io): AsyncGenerator<StorePart> {
  const topology = await checkedTopology(file, { cwd: io.cwd, check: false });
  const application = selection.app ?? topology.name;
  const serdes = new SerdePlaces({
    applicationId: application,
    schemaRegistry: registryOf(selection, io, file),
    registerSchemas: false,
    readOnly: true,
  });
  const stores = storesOf(declared(topology, serdes.bind));
  if (selection.store !== undefined && !stores.some(({ name }) => name === selection.store))
    throw unknownStore(topology, selection.store);
  await serdes.open();
  const root = resolve(io.cwd, selection.state);
  const places = findPlaces(topology, join(root, application)).filter(
    ({ partition }) => partition === (selection.partition ?? partition),
  );
  if (places.length === 0) throw noState(join(root, application), selection.partition);
  for (const { task, partition, names } of places) {
    const specs = stores.filter(({ name }) => names.includes(name));
    if (specs.length === 0) continue;
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
      for (const spec of specs) {
        if (spec.name !== (selection.store ?? spec.name)) continue;
        const { sources, changelogs } = state.checkpoint;
        const read = partition === null ? positionsOf(changelogs, spec.name) : sources;
        const { key, value } = spec.shown ?? spec;
        const rows = shownStore(state.cached(spec.name));
        yield { spec, task, partition, state, rows, key, value, sources: read };
      }
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

/** A directory with stores, and which ones it may have. */
interface Place extends Pick<StorePart, 'task' | 'partition'> {
  readonly names: readonly string[];
}

/** The directory of the global tables, if there is one; then those of tasks, by sub-topology and partition. */
function findPlaces({ graph }: Topology, directory: string): readonly Place[] {
  // Opening what is not there would create it.
  const found = (existsSync(directory) ? readdirSync(directory) : []).filter((name) =>
    existsSync(join(directory, name, 'identity.json')),
  );
  const globals = graph.nodes.flatMap((node) => (node.kind === 'globalTable' ? [node.store] : []));
  const tasks = graph.subTopologies.flatMap(({ id, stores }) =>
    found
      .flatMap((name) => {
        const partition = name.startsWith(`${id}-`) ? name.slice(id.length + 1) : '';
        return /^\d+$/.test(partition) ? [{ task: name, partition: Number(partition), names: stores }] : [];
      })
      .sort((a, b) => a.partition - b.partition),
  );
  return found.includes(GLOBAL_DIRECTORY) && globals.length > 0
    ? [{ task: GLOBAL_DIRECTORY, partition: null, names: globals }, ...tasks]
    : tasks;
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
