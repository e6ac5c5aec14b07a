import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Topology } from '../../dsl/contract/processor.js';
import type { Database } from '../../model/database.js';
import { StreamsError } from '../../model/errors.js';
import { ownOf } from '../../model/own.js';
import type { Clock } from '../../model/ports.js';
import { versionOnDisk } from '../../runtime/config/application-version.js';
import { noRegistry, SerdeBindings } from '../../runtime/config/serde-bindings.js';
import { systemClock } from '../../runtime/config/system.js';
import { type RunningProcess, runningProcesses } from '../../runtime/control/running-process.js';
import { declaredNodes } from '../../runtime/topics/planned-tasks.js';
import type { SchemaRegistry } from '../../serdes/registry/port.js';
import { CacheBudget } from '../../state/cache/cache-budget.js';
import { openRocksDatabase } from '../../state/database/rocksdb.js';
import { diskIdentityFiles, type IdentityFiles } from '../../state/directory/identity-files.js';
import { GLOBAL_DIRECTORY, positionsOf } from '../../state/global/global-state.js';
import { TaskState } from '../../state/store/task-state.js';
import { checkStore, type PastStore, storePart, storesDeclared } from './past-store.js';

/** Small, because rows are read only once. */
const CACHE_BYTES = 1024 * 1024;

export interface StateOnDiskOptions {
  /** The directory of the stores, as in `start`. */
  readonly stateDirectory: string;
  /** Default: the topology's name. */
  readonly applicationId?: string | undefined;
  /** This store only. */
  readonly store?: string | undefined;
  /** This partition only. */
  readonly partition?: number | undefined;
  /** Where Avro serdes find schemas, as in `start`; nothing is ever registered. Default: no registry. */
  readonly schemaRegistry?: SchemaRegistry | (() => Promise<SchemaRegistry>) | undefined;
  readonly clock?: Clock | undefined;
}

/** One task's part of a store, or a whole global table, as it is on the disk of this machine. */
export interface StoreOnDisk extends PastStore {
  /** The process that has it open and was asked; null if none has. */
  readonly pid: number | null;
  /** Next offset of its changelog; null if nothing was logged. */
  readonly changelog: number | null;
}

/**
 * Reads the stores that an application has on this machine, one task after the other: global tables first,
 * then tasks by sub-topology and partition. It needs no broker. Rows and identities stay unchanged.
 *
 * A task that is open in a running process is read through that process: its rows are those of the last
 * commit that is on disk, at most a second old while the task catches up.
 *
 * A store can be used until the next one is requested: then the databases of its task are closed. Memory: a
 * cache of 1 MB, and what RocksDB keeps for one task.
 *
 * Errors: STORE_UNKNOWN for a store that the topology does not have. STATE_LOCKED if the application runs
 * with `control: false`, or does not answer. STATE_MISMATCH if there is no state, or if stores have other
 * serdes.
 *
 * ```ts no-run
 * for await (const store of stateOnDisk(shop, { stateDirectory: '.millrace/state', store: 'balances' }))
 *   for await (const [account, balance] of store.entries()) console.log(account, balance);
 * ```
 */
export async function* stateOnDisk(topology: Topology, options: StateOnDiskOptions): AsyncGenerator<StoreOnDisk> {
  const { applicationId = topology.name, schemaRegistry = noRegistry, store: only, partition: wanted } = options;
  const serdes = new SerdeBindings({
    applicationId,
    schemaRegistry: typeof schemaRegistry === 'function' ? schemaRegistry : async () => schemaRegistry,
    registerSchemas: false,
    readOnly: true,
  });
  const stores = storesDeclared(declaredNodes(topology, serdes.bind));
  checkStore(topology, only);
  await serdes.open();
  const root = resolve(options.stateDirectory);
  const { prefix } = await versionOnDisk(root, applicationId);
  const places = findPlaces(topology, join(root, prefix)).filter(
    ({ partition }) => partition === (wanted ?? partition),
  );
  if (places.length === 0) throw noState(join(root, prefix), wanted);
  const running = await runningProcesses(join(root, applicationId), options.clock ?? systemClock);
  try {
    for (const { task, partition, names } of places) {
      const specs = stores.filter(({ name }) => names.includes(name));
      if (specs.length === 0) continue;
      const state = await TaskState.open({
        root,
        applicationId: prefix,
        taskId: task,
        topology: topology.name,
        stores: specs,
        openDatabase: (directory) => openedBy(running, directory) ?? openRocksDatabase(directory),
        budget: new CacheBudget(CACHE_BYTES),
        files: readOnlyFiles,
      });
      const pid = running.find(({ info }) => info.databases.includes(join(state.directory, 'db')))?.info.pid ?? null;
      try {
        const { sources, changelogs } = state.checkpoint;
        for (const spec of specs) {
          if (spec.name !== (only ?? spec.name)) continue;
          const read = partition === null ? positionsOf(changelogs, spec.name) : sources;
          const changelog = ownOf(changelogs, spec.name) ?? null;
          yield { ...storePart(spec, state.cached(spec.name)), task, partition, pid, sources: read, changelog };
        }
      } finally {
        await state.close();
      }
    }
  } finally {
    for (const process of running) await process.close();
  }
}

/** A database that a running process has open, read through that process. */
function openedBy(running: readonly RunningProcess[], directory: string): Promise<Database> | undefined {
  for (const process of running) {
    const database = process.database(directory);
    if (database) return Promise.resolve(database);
  }
  return undefined;
}

/** A newly declared store has no rows here; its identity is written when the application runs. */
const readOnlyFiles: IdentityFiles = {
  read: (path) => diskIdentityFiles.read(path),
  writeAtomically: async () => undefined,
};

/** A directory with stores, and the stores that it may have. */
interface Place extends Pick<PastStore, 'task' | 'partition'> {
  readonly names: readonly string[];
}

/**
 * The directory of the global tables, if there is one; then those of tasks, by sub-topology and partition.
 */
function findPlaces({ graph }: Topology, directory: string): readonly Place[] {
  // Opening a missing database would create it.
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

const noState = (directory: string, partition: number | undefined): StreamsError =>
  new StreamsError('STATE_MISMATCH', {
    what:
      partition === undefined ? 'there is no state of the application' : `there is no state of partition ${partition}`,
    at: directory,
    saw: 'no task directory of the topology',
    expected: 'one directory per task, as `millrace run` makes them',
    action: 'Correct the state directory (--state) or the application (--app), or run the application first.',
  });
