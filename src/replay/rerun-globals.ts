import type { BrokerRecord } from '../broker/port.js';
import type { DeclaredGlobalTable, Topology } from '../dsl/processor.js';
import type { EngineConfig } from '../runtime/config.js';
import { FailureHandler } from '../runtime/failures.js';
import { changeOf } from '../runtime/global-source.js';
import type { Metrics } from '../runtime/metrics.js';
import type { CacheBudget } from '../state/cache-budget.js';
import { type GlobalChange, type GlobalPosition, GlobalState } from '../state/global-state.js';
import { GlobalView } from '../state/global-view.js';
import type { PastSerdes } from './past-serdes.js';
import { RerunClock } from './rerun-clock.js';
import type { RerunStorage } from './rerun-storage.js';

/** It is thrown away, and never opened again. */
const READ = { asOf: 0 };

/**
 * The global tables of a rerun. Their topics are part of the slice, in its order, so that a record sees
 * the rows as of its own time: what an application that ran all the while has seen, and the same each time.
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
    metrics: Metrics,
  ) {
    this.#tables = new Map(tables.map((table) => [table.topic, table]));
    this.#state = state;
    this.#metrics = metrics;
    this.#failures = new FailureHandler(config, new RerunClock(() => 0), metrics);
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
    return new RerunGlobals(tables, state, config, metrics);
  }

  reads(topic: string): boolean {
    return this.#tables.has(topic);
  }

  views(): ReadonlyMap<string, GlobalView<unknown, unknown>> {
    const stores = [...this.#tables.values()].flatMap(({ store }) => this.#state.store(store) ?? []);
    return new Map(stores.map((store) => [store.name, new GlobalView(store)]));
  }

  /** The rows of a global table, for looking. */
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
        // A dead letter of it is the live application's; nothing of the topology's comes of it.
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
