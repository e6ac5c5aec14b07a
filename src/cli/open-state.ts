import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { AnySerde, Topology } from '../dsl/contract/processor.js';
import { StreamsError } from '../model/errors.js';
import { ownOf } from '../model/own.js';
import { show } from '../model/show.js';
import { type Moment, type PastStore, stateAsOf } from '../replay/index.js';
import { versionOnDisk } from '../runtime/application-version.js';
import { declaredNodes } from '../runtime/planned-tasks.js';
import { SerdeBindings } from '../runtime/serde-bindings.js';
import { CacheBudget } from '../state/cache-budget.js';
import type { Row, StoreSpec } from '../state/contract.js';
import { GLOBAL_DIRECTORY, positionsOf } from '../state/global-state.js';
import { diskIdentityFiles, type IdentityFiles } from '../state/identity-files.js';
import { openRocksDatabase } from '../state/rocksdb.js';
import { TaskState } from '../state/task-state.js';
import { typedStore, windowsOf } from '../state/typed-store.js';
import { checkedTopology } from './checked-topology.js';
import { storesDeclared } from './declared.js';
import type { Io } from './io.js';
import { type LookBackOptions, lookBack, warnOfGaps } from './past.js';
import { registryOf } from './schema-registry.js';

/** Small, because rows are read only once. */
const CACHE_BYTES = 1024 * 1024;

export interface StateSelection extends LookBackOptions {
  readonly store?: string | undefined;
  readonly partition?: number | undefined;
  /** The state at this moment. Default: as the stopped application left it. */
  readonly asOf?: Moment | undefined;
}

/** One task's part of a store, or a whole global table. */
export interface StorePart {
  readonly spec: StoreSpec;
  readonly task: string;
  /** Null: all partitions. */
  readonly partition: number | null;
  /** Serdes of the keys and values. */
  readonly key: AnySerde;
  readonly value: AnySerde;
  /** Next offset of each topic that was read: the store contains everything before it. */
  readonly sources: Readonly<Record<string, number>>;
  /** Next offset of its changelog; null if nothing was logged. */
  readonly changelog: number | null;
  row(key: unknown): Promise<Row<unknown> | null>;
  /** In the order of their keys. */
  entries(): AsyncIterable<readonly [key: unknown, value: unknown]>;
  /** The windows of a key; empty unless it is a window store. */
  windows: PastStore['windows'];
}

/**
 * Passes the stores of an application to a function, one task after the other. These are the stores on disk
 * that the application left when it was stopped; rows and identities stay unchanged. Or they are the stores
 * at a moment, reconstructed from the topics. Returns the exit code of the function, or the signal's exit
 * code.
 *
 * Errors: STORE_UNKNOWN for a store that the topology does not have. On disk: STATE_LOCKED while the
 * application runs, STATE_MISMATCH if there is no state, or if stores have other serdes. As of a moment:
 * those of `stateAsOf`.
 */
export async function withStores(
  file: string,
  selection: StateSelection,
  io: Io,
  use: (parts: AsyncIterable<StorePart>) => Promise<number>,
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

async function* partsOf(stores: readonly Omit<StorePart, 'changelog'>[]): AsyncGenerator<StorePart> {
  for (const store of stores) yield { ...store, changelog: null };
}

async function* partsOnDisk(file: string, selection: StateSelection, io: Io): AsyncGenerator<StorePart> {
  const topology = await checkedTopology(file, { cwd: io.cwd, check: false });
  const application = selection.app ?? topology.name;
  const serdes = new SerdeBindings({
    applicationId: application,
    schemaRegistry: registryOf(selection, io, file),
    registerSchemas: false,
    readOnly: true,
  });
  const stores = storesDeclared(declaredNodes(topology, serdes.bind));
  checkStore(topology, selection.store);
  await serdes.open();
  const root = resolve(io.cwd, selection.state);
  const { prefix } = await versionOnDisk(root, application);
  const places = findPlaces(topology, join(root, prefix)).filter(
    ({ partition }) => partition === (selection.partition ?? partition),
  );
  if (places.length === 0) throw noState(join(root, prefix), selection.partition);
  for (const { task, partition, names } of places) {
    const specs = stores.filter(({ name }) => names.includes(name));
    if (specs.length === 0) continue;
    const state = await TaskState.open({
      root,
      applicationId: prefix,
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
        const store = state.cached(spec.name);
        const rows = typedStore<unknown, unknown>(store);
        const { key, value } = spec.shown ?? spec;
        yield {
          spec,
          task,
          partition,
          key,
          value,
          sources: read,
          changelog: ownOf(changelogs, spec.name) ?? null,
          row: (each) => rows.peek(each),
          entries: () => rows.entries(),
          windows: async (each, range) => (await windowsOf(store, each, range)) ?? [],
        };
      }
    } finally {
      await state.close();
    }
  }
}

/** A newly declared store has no rows here; its identity is written when the application runs. */
const readOnlyFiles: IdentityFiles = {
  read: (path) => diskIdentityFiles.read(path),
  writeAtomically: async () => undefined,
};

/** A directory with stores, and the stores that it may have. */
interface Place extends Pick<StorePart, 'task' | 'partition'> {
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

/** Errors: STORE_UNKNOWN if the topology has no store of that name. */
export function checkStore(topology: Topology, store: string | undefined): void {
  const names = storesDeclared(declaredNodes(topology)).map(({ name }) => name);
  if (store === undefined || names.includes(store)) return;
  throw new StreamsError('STORE_UNKNOWN', {
    what: `there is no store ${show(store)}`,
    at: `topology ${topology.name}`,
    saw: names.join(', ') || 'no stores',
    action: 'Use the name of one of its stores.',
  });
}

const noState = (directory: string, partition: number | undefined): StreamsError =>
  new StreamsError('STATE_MISMATCH', {
    what:
      partition === undefined ? 'there is no state of the application' : `there is no state of partition ${partition}`,
    at: directory,
    saw: 'no task directory of the topology',
    expected: 'one directory per task, as `millrace run` makes them',
    action: 'Correct --state or --app, or run the application first.',
  });
