import type { BrokerRecord } from '../../broker/port.js';
import type { DeclaredGlobalTable, Topology } from '../../dsl/contract/processor.js';
import type { Graph } from '../../graph/graph.js';
import type { EngineConfig } from '../../runtime/config/config.js';
import type { Metrics } from '../../runtime/config/metrics.js';
import { changeOf } from '../../runtime/globals/global-source.js';
import { FailureHandler } from '../../runtime/send/failures.js';
import type { CacheBudget } from '../../state/cache/cache-budget.js';
import { type GlobalChange, type GlobalPosition, GlobalState } from '../../state/global/global-state.js';
import { GlobalView } from '../../state/global/global-view.js';
import type { PastSerdes } from './past-serdes.js';
import { RerunClock } from './rerun-clock.js';
import type { RerunStorage } from './rerun-storage.js';

/** A placeholder for the log state: the store is deleted with the rerun, so this entry is never read. */
const READ = { asOf: 0 };

/**
 * The global tables of a rerun. Their topics are part of the slice, in its order, so that a record sees the
 * rows as of its own time. An application that was running all the time has seen the same, and every rerun
 * sees the same.
 */
export class RerunGlobals {
  readonly #tables: ReadonlyMap<string, DeclaredGlobalTable>;
  readonly #state: GlobalState;
  readonly #metrics: Metrics;
  readonly #failures: FailureHandler;

  private constructor(
    tables: readonly DeclaredGlobalTable[],
    state: GlobalState,
    config: EngineConfig,
    graph: Graph,
    metrics: Metrics,
  ) {
    this.#tables = new Map(tables.map((table) => [table.topic, table]));
    this.#state = state;
    this.#metrics = metrics;
    this.#failures = new FailureHandler(config, graph, new RerunClock(() => 0), metrics);
  }

  /** Undefined if the topology has none. */
  static async open(options: {
    readonly topology: Topology;
    readonly serdes: PastSerdes;
    readonly config: EngineConfig;
    readonly storage: RerunStorage;
    readonly budget: CacheBudget;
    readonly metrics: Metrics;
  }): Promise<RerunGlobals | undefined> {
    const { topology, serdes, config, storage, budget, metrics } = options;
    if (!topology.graph.nodes.some(({ kind }) => kind === 'globalTable')) return undefined;
    const tables = (await serdes.declare(topology)).globalTables;
    const state = await GlobalState.open({
      root: storage.root,
      applicationId: config.version.prefix,
      openDatabase: storage.openDatabase,
      topology: topology.name,
      tables: tables.map(({ topic, store, key, value }) => ({
        topic,
        spec: { name: store, kind: 'keyValue', key, value },
      })),
      budget,
      files: storage.files,
    });
    return new RerunGlobals(tables, state, config, topology.graph, metrics);
  }

  reads(topic: string): boolean {
    return this.#tables.has(topic);
  }

  views(): ReadonlyMap<string, GlobalView<unknown, unknown>> {
    const stores = [...this.#tables.values()].flatMap(({ store }) => this.#state.store(store) ?? []);
    return new Map(stores.map((store) => [store.name, new GlobalView(store)]));
  }

  /** The rows of a global table, for reading. */
  store(name: string): ReturnType<GlobalState['store']> {
    return this.#state.store(name);
  }

  async apply(records: readonly BrokerRecord[]): Promise<void> {
    const changes: GlobalChange[] = [];
    const positions = new Map<string, GlobalPosition>();
    for (const record of records) {
      const table = this.#tables.get(record.topic) as DeclaredGlobalTable;
      const { topic, partition, offset } = record;
      positions.set(`${topic} ${partition}`, { store: table.store, topic, partition, offset: offset + 1, log: READ });
      if (record.key === null) {
        this.#metrics.count(table.id, 'null-key');
        continue;
      }
      try {
        changes.push(changeOf(table, record));
      } catch (error) {
        // The live application has written its dead letter; it has no result in the topology.
        await this.#failures.handle(
          'deserialize',
          { node: table.id, error, source: record },
          () => undefined,
          () => void changes.push(changeOf(table, record)),
        );
      }
    }
    await this.#state.apply(changes, [...positions.values()]);
  }

  close(): Promise<void> {
    return this.#state.close();
  }
}
