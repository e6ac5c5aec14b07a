import { join } from 'node:path';
import type { Broker } from '../broker/port.js';
import type { Topology } from '../dsl/contract/processor.js';
import { describeText } from '../graph/describe-text.js';
import type { OpenDatabase } from '../model/database.js';
import type { Clock, Logger } from '../model/ports.js';
import type { SchemaRegistry } from '../serdes/registry/port.js';
import { CacheBudget } from '../state/cache/cache-budget.js';
import { openRocksDatabase } from '../state/database/rocksdb.js';
import {
  checkApplicationId,
  DEFAULT_CACHE_BYTES,
  type EngineConfig,
  type EngineOptions,
  resolveConfig,
} from './config/config.js';
import type { LifeHooks } from './config/life-hooks.js';
import { systemClock } from './config/system.js';
import { openControl } from './control/open-control.js';
import { OpenDatabases } from './control/open-databases.js';
import { Engine } from './engine/engine.js';
import type { Progress } from './engine/progress.js';
import { type StoreView, viewStore } from './store-view.js';

export interface StartOptions extends EngineOptions, LifeHooks {
  readonly broker: Broker;
  /**
   * Directory of the stores. A task uses `<directory>/<application>/<task>`, global tables use
   * `<directory>/<application>/global`. Once a version was promoted, its stores are in
   * `<directory>/<application>-shadow-<n>`.
   */
  readonly stateDirectory: string;
  /** Default: RocksDB. */
  readonly openDatabase?: OpenDatabase;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /**
   * Where Avro serdes find schemas: a registry (see `openSchemaRegistry`), or a function that opens one. The
   * function is called once, when a serde first needs it. Default: no registry.
   */
  readonly schemaRegistry?: SchemaRegistry | (() => Promise<SchemaRegistry>);
  /**
   * `false`: no other process can look into the application. Default: the command line of this user can, over
   * a socket in `<directory>/<application>`, as `millrace state`, `progress` and `stop` do. Only for stores
   * on disk.
   */
  readonly control?: boolean;
  /** A bound for cached rows that several applications share; `cacheBytes` is then not used. */
  readonly cache?: CacheBudget;
  /**
   * Called before the stores are restored, which may take long. From here on the caller can watch the
   * application and stop it.
   */
  readonly onStarting?: (streams: RunningStreams) => void;
}

/** Shared by all applications of the process that start without a cache of their own. */
const processCache = new CacheBudget(DEFAULT_CACHE_BYTES);

/** A running application. */
export interface RunningStreams {
  readonly applicationId: string;
  /** Resolves when the application has stopped; rejects with the error that ended it. */
  readonly done: Promise<void>;
  progress(): Progress;
  /**
   * A read-only view of a store. It covers the tasks of this process and shows rows as processed so far,
   * committed or not. A global table is complete in every process. STORE_UNKNOWN if the topology has no store
   * of that name.
   */
  store<K, V>(name: string): StoreView<K, V>;
  /**
   * Resolves when everything in the source topics is processed and committed. Rejects if the application ends
   * before that.
   */
  untilIdle(): Promise<void>;
  /**
   * Finishes the current batch, commits and leaves the group. Further calls do nothing. Rejects with the
   * error that ended the application. Rejects with BROKER_UNAVAILABLE if the cluster did not answer and the
   * last commit was given up: the next start then continues from the commit before it.
   */
  stop(): Promise<void>;
  /** Stops without a commit: the next start processes again what came after the last commit. */
  abort(): Promise<void>;
}

/**
 * Runs a topology inside this process until it is stopped or fails.
 *
 * It does the following, in this order:
 *
 * - It checks the topology and the topics (TOPOLOGY_INVALID, TOPIC_UNKNOWN, TOPIC_MISMATCH, CONFIG_INVALID).
 * - It creates changelog and repartition topics, and loads global tables.
 * - It joins the group that the application id names.
 * - It opens and restores its assigned tasks (STATE_LOCKED, STATE_MISMATCH), and resolves when they run.
 *
 * If the application is stopped before that, it rejects with STOPPED, within `stopTimeout`, whatever it was
 * waiting for. Several engines, of the same or of other applications, may run in one process. The caller owns
 * the broker: close it after `stop`.
 *
 * ```ts no-run
 * const streams = await start(topology, { broker, stateDirectory: './state' });
 * process.once('SIGTERM', () => streams.stop());
 * await streams.done;
 * ```
 */
export async function start(topology: Topology, options: StartOptions): Promise<RunningStreams> {
  const config = resolveConfig(topology.name, options, options.logger);
  checkApplicationId(config.applicationId);
  return startConfigured(topology, config, options);
}

/** Internal: starts with settings that are not public options, such as the version of the application. */
export async function startConfigured(
  topology: Topology,
  config: EngineConfig,
  options: StartOptions,
): Promise<RunningStreams> {
  const { broker, stateDirectory, openDatabase = openRocksDatabase, clock = systemClock } = options;
  const cache = options.cache ?? (options.cacheBytes === undefined ? processCache : undefined);
  const { schemaRegistry } = options;
  // A database in memory has no directory for a socket.
  const isControlled = options.control !== false && options.openDatabase === undefined;
  const databases = new OpenDatabases();
  const ports = {
    broker,
    clock,
    openDatabase: isControlled ? databases.noting(openDatabase) : openDatabase,
    stateDirectory,
    hooks: options,
    ...(cache && { cache }),
    ...(schemaRegistry && {
      schemaRegistry: typeof schemaRegistry === 'function' ? schemaRegistry : async () => schemaRegistry,
    }),
  };
  const handle = (engine: Engine): RunningStreams => ({
    applicationId: engine.applicationId,
    done: engine.done,
    progress: () => engine.progress(),
    store: (name) => viewStore(topology.graph, () => engine, name),
    untilIdle: () => engine.untilIdle(),
    stop: () => engine.stop(),
    abort: () => engine.abort(),
  });
  const onStarting = (engine: Engine): void => {
    if (isControlled) {
      const { applicationId } = engine;
      const of = {
        ...handle(engine),
        databases,
        topology: topology.name,
        describe: () => describeText(topology.graph),
      };
      void openControl(join(stateDirectory, applicationId), of, config.logger);
    }
    options.onStarting?.(handle(engine));
  };
  return handle(await Engine.start(topology, config, ports, false, onStarting));
}
