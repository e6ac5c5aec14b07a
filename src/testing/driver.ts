import { MemoryBroker } from '../broker/memory/broker.js';
import type { Topology } from '../dsl/contract/processor.js';
import { disorder } from '../model/disorder.js';
import { type Duration, durationMs } from '../model/duration.js';
import { StreamsError } from '../model/errors.js';
import { ownOf } from '../model/own.js';
import { seededRandom } from '../model/random.js';
import { type CommitStep, type EngineOptions, resolveConfig } from '../runtime/config/config.js';
import type { EngineMetrics } from '../runtime/config/metrics.js';
import { Engine } from '../runtime/engine/engine.js';
import { encodeRecords, type InputRecord, openedFor, type TopicSerdes } from '../runtime/send.js';
import { type StoreView, viewStore } from '../runtime/store-view.js';
import { declaredNodes } from '../runtime/topics/planned-tasks.js';
import { MemoryRegistry } from '../serdes/registry/memory.js';
import type { SchemaRegistry } from '../serdes/registry/port.js';
import type { SerdeServices } from '../serdes/serde.js';
import { memoryDatabases } from '../state/database/memory.js';
import { memoryIdentityFiles } from '../state/directory/identity-files.js';
import {
  type DeliveryFaults,
  type TestInput,
  type TestInputOptions,
  type TestOutput,
  timesOf,
  topicsOf,
  unknownTopic,
} from './driver-topics.js';
import { ManualClock } from './manual-clock.js';
import { ANY_TEXT, OutputReading } from './output-reading.js';
import { type SeededRow, seedStore } from './seed.js';
import { drained, InjectedCrash, settled } from './settled.js';

export interface TestDriverOptions extends EngineOptions {
  /**
   * Number of partitions of the topics that the topology reads and writes: one for all, or by topic. Default
   * 1.
   */
  readonly partitions?: number | Readonly<Record<string, number>>;
  /** Start of the virtual clock, in milliseconds since the epoch. Default 0. */
  readonly startMs?: number;
  /**
   * Where Avro serdes find schemas. Default: an empty registry in memory. Schemas that it does not have are
   * registered, unless `registerSchemas` is false.
   */
  readonly schemaRegistry?: SchemaRegistry;
}

/**
 * Runs a topology in a test: the real engine, with broker, stores and clock in memory. It needs no network,
 * no disk and no waiting, and works under any test runner.
 *
 * ```ts
 * const driver = await TestDriver.create(topology);
 * const words = driver.input('lines', { key: serdes.string, value: serdes.string });
 * const counts = driver.output('counts', { key: serdes.string, value: serdes.int64 });
 * await words.send({ key: 'a', value: 'to be or not to be' });
 * await counts.values(); // [1, 1, 1, 1, 2, 2]
 * await driver.close();
 * ```
 *
 * It runs what runs in production: tasks, batches, stages, stores with their changelogs, commits, restore,
 * repartition topics, several partitions. A crash loses exactly what a crash of the process loses.
 *
 * It does not simulate several processes, a broker that is slow, fails or loses acknowledgements, or failing
 * disks. Time does not pass by itself: idle timeouts and wall-clock timers fire only in `advance`. Stores are
 * in memory, not in RocksDB; tests check that both have the same contract.
 */
export class TestDriver {
  readonly #topology: Topology;
  readonly #options: TestDriverOptions;
  readonly #clock: ManualClock;
  readonly #broker: MemoryBroker;
  readonly #openDatabase = memoryDatabases();
  readonly #identityFiles = memoryIdentityFiles();
  readonly #outputs: OutputReading;
  readonly #services: SerdeServices;
  #engine: Engine | undefined;
  /** An engine that is still starting: it can be stopped. */
  #starting: Engine | undefined;
  /** The error that ended the engine, until it starts again; a requested crash is not one. */
  #failure: unknown;
  #crashAfter: CommitStep | undefined;

  private constructor(topology: Topology, options: TestDriverOptions) {
    this.#topology = topology;
    this.#options = options;
    this.#clock = new ManualClock(options.startMs ?? 0);
    this.#broker = new MemoryBroker({ clock: this.#clock });
    const { schemaRegistry = new MemoryRegistry(), registerSchemas = true } = options;
    this.#services = { schemaRegistry: async () => schemaRegistry, registerSchemas };
    this.#outputs = new OutputReading(this.#broker, this.#services);
  }

  /** TOPOLOGY_INVALID lists the problems of the topology. */
  static async create(topology: Topology, options: TestDriverOptions = {}): Promise<TestDriver> {
    const driver = new TestDriver(topology, options);
    await driver.#broker.admin.createTopics(
      [...topicsOf(topology.graph)].map((name) => ({
        name,
        partitions: driver.#partitions(name),
        config: { 'retention.ms': '-1' },
      })),
    );
    await driver.restart();
    return driver;
  }

  /**
   * An input topic. Records of a global table are in the table when `send` resolves, so stream records that
   * are sent later find them. Records without a timestamp get that of the clock, or the next one of
   * `options`.
   */
  input<K, V>(topic: string, serdes: TopicSerdes<K, V>, options: TestInputOptions = {}): TestInput<K, V> {
    const time = timesOf(options, this.#clock);
    const sendAll = async (records: readonly InputRecord<K, V>[], faults: DeliveryFaults = {}): Promise<void> => {
      const partitions = await this.#partitionsOf(topic);
      const { duplicate = 0, shuffle = 0, seed = 1 } = faults;
      const timed = records.map((record) => ({ ...record, timestamp: record.timestamp ?? time() }));
      const delivered = [...disorder(timed, { duplicate, shuffle, random: seededRandom(seed) })].map(
        ({ item }) => item,
      );
      const opened = await openedFor(topic, 'write', serdes, this.#services);
      const writer = await this.#broker.createWriter();
      await writer.write(encodeRecords(topic, partitions, opened, delivered, this.#clock.now()));
      await writer.flush();
      await writer.close();
      await this.run();
    };
    return { sendAll, send: (record) => sendAll([record]) };
  }

  output<K, V>(topic: string, serdes: TopicSerdes<K, V>): TestOutput<K, V> {
    return this.#outputs.output(topic, serdes, (name) => this.#partitionsOf(name));
  }

  /** Dead letters as text. */
  deadLetters(): TestOutput<string, string> {
    const { deadLetterTopic } = resolveConfig(this.#topology.name, this.#options);
    return this.output(deadLetterTopic, { key: ANY_TEXT, value: ANY_TEXT });
  }

  /** The rows of a store. STORE_UNKNOWN if the topology has no store of that name. */
  store<K, V>(name: string): StoreView<K, V> {
    return viewStore(this.#topology.graph, () => this.#running(), name);
  }

  /**
   * Gives a store rows before the first record: as if they had been made and committed before. Only for
   * stores with one row for each key (STORE_READ_ONLY).
   */
  async seed<K, V>(store: string, rows: readonly SeededRow<K, V>[]): Promise<void> {
    const engine = this.#running();
    const { processors } = declaredNodes(this.#topology);
    const spec = processors.flatMap((processor) => processor.spec.stores).find(({ name }) => name === store);
    // Says which stores there are.
    if (!spec) return void this.store(store);
    await settled(this.#clock, seedStore(engine, spec, rows));
  }

  /** Advances the wall clock, and runs the timers that are due. */
  async advance(duration: Duration): Promise<void> {
    this.#clock.advance(durationMs(duration, 'advance'));
    await this.run();
  }

  /**
   * Runs the topology until nothing is left to do. All methods that write input call it; tests need it only
   * after {@link restart}. Calls of `effect` and `mapAsync` have ended if they wait for promises only.
   */
  run(): Promise<void> {
    return this.#run('short');
  }

  /**
   * The same, and waits for all calls that run, such as requests to a server. It takes as long as they do.
   * Attempts that are due later, and timeouts, need {@link advance}.
   */
  settled(): Promise<void> {
    return this.#run('all');
  }

  async #run(calls: 'short' | 'all'): Promise<void> {
    // Records that are written after that would wait for ever, and the test would assume that they were
    // processed.
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.#engine) return;
    try {
      const { done } = this.#engine;
      const all = drained(this.#engine, calls);
      // After `close` it no longer waits for a call that does not return.
      await settled(this.#clock, Promise.race([all, done.catch(() => all)]));
    } catch (error) {
      this.#engine = undefined;
      if (error instanceof InjectedCrash) return;
      this.#failure = error;
      throw error;
    }
  }

  get crashed(): boolean {
    return this.#engine === undefined;
  }

  get metrics(): EngineMetrics {
    return this.#running().progress().metrics;
  }

  /**
   * Crashes the engine. Without `after` at once: uncommitted work is lost. With `after`: at the next commit,
   * directly after that step. Records written while the engine is down wait for {@link restart}.
   */
  async crash(after?: CommitStep): Promise<void> {
    if (after !== undefined) {
      this.#crashAfter = after;
      return;
    }
    const engine = this.#engine;
    this.#engine = undefined;
    await engine?.abort();
  }

  /**
   * Starts the engine again with the topics and stores that the crash left, optionally with another topology.
   * Runs until nothing is left to do.
   */
  async restart(topology: Topology = this.#topology): Promise<void> {
    await this.#engine?.stop();
    this.#failure = undefined;
    this.#crashAfter = undefined;
    const config = resolveConfig(topology.name, { createTopics: 1, registerSchemas: true, ...this.#options });
    const starting = settled(
      this.#clock,
      Engine.start(
        topology,
        config,
        {
          broker: this.#broker,
          schemaRegistry: this.#services.schemaRegistry,
          clock: this.#clock,
          openDatabase: this.#openDatabase,
          stateDirectory: 'state',
          identityFiles: this.#identityFiles,
          afterStep: (step) => {
            if (step !== this.#crashAfter) return;
            this.#crashAfter = undefined;
            throw new InjectedCrash(`injected after commit step ${step}`);
          },
        },
        true,
        (engine) => {
          this.#starting = engine;
        },
      ),
    ).finally(() => {
      this.#starting = undefined;
    });
    this.#engine = await starting;
    await this.run();
  }

  /**
   * Commits, and releases everything. Waits for what is under way for `stopTimeout` of the virtual clock.
   */
  async close(): Promise<void> {
    const engines = [this.#engine, this.#starting];
    this.#engine = undefined;
    for (const engine of engines) if (engine) await settled(this.#clock, engine.stop());
    await this.#broker.close();
  }

  /** `await using driver = await TestDriver.create(…)` closes it at the end of the block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #partitionsOf(topic: string): Promise<number> {
    const [known] = await this.#broker.admin.describeTopics([topic]);
    if (known) return known.partitions;
    const all = await this.#broker.admin.describeTopics();
    throw unknownTopic(
      topic,
      all.map(({ name }) => name),
    );
  }

  #partitions(topic: string): number {
    const { partitions = 1 } = this.#options;
    return typeof partitions === 'number' ? partitions : (ownOf(partitions, topic) ?? 1);
  }

  #running(): Engine {
    if (this.#engine) return this.#engine;
    throw new StreamsError('STOPPED', {
      what: 'the engine is not running',
      at: `topology ${this.#topology.name}`,
      action: 'Call restart() after a crash.',
    });
  }
}
