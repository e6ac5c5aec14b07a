import type { Broker } from '../broker/port.js';
import type { Topology } from '../dsl/processor.js';
import type { OpenDatabase } from '../model/database.js';
import type { Clock, Logger } from '../model/ports.js';
import type { SchemaRegistry } from '../serdes/registry/port.js';
import { CacheBudget } from '../state/cache-budget.js';
import { openRocksDatabase } from '../state/rocksdb.js';
import {
  checkApplicationId,
  DEFAULT_CACHE_BYTES,
  type EngineConfig,
  type EngineOptions,
  resolveConfig,
} from './config.js';
import { Engine } from './engine.js';
import type { Progress } from './progress.js';
import { type StoreView, viewStore } from './store-view.js';
import { systemClock } from './system.js';

export interface StartOptions extends EngineOptions {
  readonly broker: Broker;
  /**
   * Where the stores lie: `<directory>/<application>/<task>`, those of global tables in
   * `<directory>/<application>/global`; of a version that was promoted, in
   * `<directory>/<application>-shadow-<n>`.
   */
  readonly stateDirectory: string;
  /** Default: RocksDB. */
  readonly openDatabase?: OpenDatabase;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /**
   * Where Avro serdes find schemas: see `openSchemaRegistry`; or a function that opens it, once, when a serde
   * first needs it. Default: there is none.
   */
  readonly schemaRegistry?: SchemaRegistry | (() => Promise<SchemaRegistry>);
  /** A bound for cached rows that this application shares with others; `cacheBytes` is then not used. */
  readonly cache?: CacheBudget;
  /**
   * Called before the stores are restored, which may take long: the application can be watched, and stopped,
   * from here on.
   */
  readonly onStarting?: (streams: RunningStreams) => void;
}

/** One for all applications of the process that are started without a cache of their own. */
const processCache = new CacheBudget(DEFAULT_CACHE_BYTES);

/** A running application. */
export interface RunningStreams {
  readonly applicationId: string;
  /** Resolves when it was stopped, rejects with the error that ended it. */
  readonly done: Promise<void>;
  progress(): Progress;
  /**
   * A look into a store, over the tasks that this process has: as processed so far, committed or not; or into
   * that of a global table, which is all here. STORE_UNKNOWN if the topology has none of that name.
   */
  store<K, V>(name: string): StoreView<K, V>;
  /**
   * Resolves when everything in the source topics is processed and committed; rejects if the application ends
   * before.
   */
  untilIdle(): Promise<void>;
  /**
   * Finishes the batch in hand, commits, leaves the group. Calling it again does nothing. Rejects with the
   * error that had ended the application, and with BROKER_UNAVAILABLE if the cluster is away and the last
   * commit was given up: the next start goes on from the one before.
   */
  stop(): Promise<void>;
  /** Stops without a commit: what was done since the last one is done again at the next start. */
  abort(): Promise<void>;
}

/**
 * Runs a topology inside this process, until it is stopped or fails.
 *
 * Checks the topology and the topics first (TOPOLOGY_INVALID, TOPIC_UNKNOWN, TOPIC_MISMATCH, CONFIG_INVALID),
 * creates changelog and repartition topics, loads global tables, joins the group named by the application id,
 * opens and restores the tasks it is given (STATE_LOCKED, STATE_MISMATCH), and resolves when they run;
 * stopped before, it rejects with STOPPED. Several engines, of the same or of other applications, may run in
 * one process. The broker stays the caller's: close it after stop.
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

/** For who knows more of the configuration than users can say: which version of the application it is. */
export async function startConfigured(
  topology: Topology,
  config: EngineConfig,
  options: StartOptions,
): Promise<RunningStreams> {
  const { broker, stateDirectory, openDatabase = openRocksDatabase, clock = systemClock } = options;
  const cache = options.cache ?? (options.cacheBytes === undefined ? processCache : undefined);
  const { schemaRegistry } = options;
  const ports = {
    broker,
    clock,
    openDatabase,
    stateDirectory,
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
  const onStarting = (engine: Engine): void => options.onStarting?.(handle(engine));
  return handle(await Engine.start(topology, config, ports, false, onStarting));
}
