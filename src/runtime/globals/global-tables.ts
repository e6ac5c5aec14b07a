import { type BrokerRecord, type PartitionOffset, partitionKey } from '../../broker/port.js';
import type { DeclaredGlobalTable, Topology } from '../../dsl/contract/processor.js';
import type { StreamsError } from '../../model/errors.js';
import type { CacheBudget } from '../../state/cache/cache-budget.js';
import { type GlobalChange, type GlobalPosition, GlobalState } from '../../state/global/global-state.js';
import type { GlobalStore } from '../../state/global/global-store.js';
import { GlobalView } from '../../state/global/global-view.js';
import { closeAll } from '../config/close-all.js';
import type { EngineConfig, EnginePorts } from '../config/config.js';
import type { Metrics } from '../config/metrics.js';
import { type RetryOptions, withRetry } from '../config/retry.js';
import { SerdeBindings, serdeConfig } from '../config/serde-bindings.js';
import { sharedAbort } from '../config/shared-abort.js';
import { stopped } from '../config/stopped.js';
import { Intake } from '../poll/intake.js';
import { KnownEnds } from '../poll/known-ends.js';
import { DeadLetterWriter } from '../send/dead-letter-writer.js';
import { FailureHandler } from '../send/failures.js';
import { declaredNodes } from '../topics/planned-tasks.js';
import type { TopicCounts } from '../topics/topics.js';
import { atEnd, type GlobalReadPosition, globalPositions } from './global-positions.js';
import { changeOf, GlobalSource } from './global-source.js';

/** Records that are read and written to the database together while the tables are loaded. */
const LOAD_BATCH = 10_000;
/** The same afterwards: fewer, so that tasks get their turn. */
const FOLLOW_BATCH = 1_000;
const WAIT_MS = 500;
/** Far below the time that any topic keeps deletions, and rare enough to cost nothing. */
const SEE_ENDS_EVERY_MS = 600_000;
/** Records that are fetched ahead, over all partitions; each has at least a poll's share. */
const READ_AHEAD_RECORDS = 20_000;
const MIN_READ_AHEAD_RECORDS = 500;

/**
 * One partition of a global table's topic. The table contains all records before its offset, and readers see
 * them.
 */
type Followed = GlobalPosition & GlobalReadPosition;

/** Checks whether everything is read, if a caller waits for that. */
interface Watch {
  readonly wanted: boolean;
  look(): Promise<void>;
}

export interface GlobalTablesOptions {
  readonly topology: Topology;
  readonly config: EngineConfig;
  readonly ports: EnginePorts;
  readonly budget: CacheBudget;
  readonly metrics: Metrics;
}

/**
 * The global tables of an engine: one reader over all partitions of their topics, one writer of their rows.
 *
 * 1. `load` reads up to the ends of the topics when it began, before any task is opened.
 * 2. `follow` continues in the background; the test driver calls `catchUp` instead.
 * 3. Each round polls and decodes (`onError.deserialize` handles failures). After dead letters are
 *    acknowledged, one write batch stores rows and positions, and then readers see the rows. After a crash
 *    between any two of these, the round is read again.
 */
export class GlobalTables {
  readonly #options: GlobalTablesOptions;
  readonly #failures: FailureHandler;
  #tables: readonly DeclaredGlobalTable[] = [];
  #sources: ReadonlyMap<string, GlobalSource> = new Map();
  #state: GlobalState | undefined;
  #intake: Intake | undefined;
  /** In the order of the intake's positions. */
  #followed: readonly Followed[] = [];
  #deadLetters: DeadLetterWriter | undefined;
  readonly #closing = sharedAbort();
  #loading = false;
  #endsSeen = Number.NEGATIVE_INFINITY;
  #work: Promise<unknown> = Promise.resolve();

  constructor(options: GlobalTablesOptions) {
    this.#options = options;
    const { config, topology, ports, metrics } = options;
    this.#failures = new FailureHandler(config, topology.graph, ports.clock, metrics);
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  get #retryOptions(): RetryOptions {
    const { ports, config } = this.#options;
    return { clock: ports.clock, logger: config.logger, signal: this.#closing.signal };
  }

  get loading(): boolean {
    return this.#loading;
  }

  /** Records that are in the topics, as last seen, and not in the tables. */
  get lag(): number {
    const ends = this.#intake?.ends ?? [];
    return this.#followed.reduce((sum, { offset }, i) => sum + Math.max(0, (ends[i]?.offset ?? 0) - offset), 0);
  }

  /** Next offset of every partition. */
  get positions(): readonly PartitionOffset[] {
    return this.#followed.map(({ topic, partition, offset }) => ({ topic, partition, offset }));
  }

  store(name: string): GlobalStore<unknown, unknown> | undefined {
    return this.#state?.store(name);
  }

  /** The views through which one task reads the tables, by store. */
  views(): ReadonlyMap<string, GlobalView<unknown, unknown>> {
    const stores = this.#tables.flatMap(({ store }) => this.store(store) ?? []);
    return new Map(stores.map((store) => [store.name, new GlobalView(store)]));
  }

  /** Opens the stores and reads the topics up to their ends. STOPPED if it is closed meanwhile. */
  load(topics: TopicCounts, prefix: string): Promise<void> {
    const work = this.#load(topics, prefix);
    this.#work = work;
    return work;
  }

  /** Reads on in the background, and checks for waiting callers whether everything is read. */
  follow(idle: Watch, onFailure: (error: Error) => void): void {
    const intake = this.#intake;
    if (!intake) return;
    this.#work = (async () => {
      while (!this.#closed) if ((await this.#round(intake, FOLLOW_BATCH, WAIT_MS)) && idle.wanted) await idle.look();
    })().catch(onFailure);
  }

  /** Reads up to the current ends of the topics. */
  async catchUp(): Promise<void> {
    if (this.#tables.length === 0) return;
    const intake = this.#intake as Intake;
    await this.#seeEnds(intake);
    await this.#readToEnds(intake, FOLLOW_BATCH, 0);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#intake?.wakeup();
    await this.#work.catch(() => undefined);
    await closeAll(this.#intake?.close(), this.#deadLetters?.close(), this.#state?.close());
  }

  async #load(topics: TopicCounts, prefix: string): Promise<void> {
    const { topology, config, ports, budget } = this.#options;
    if (!topology.graph.nodes.some(({ kind }) => kind === 'globalTable')) return;
    const serdes = new SerdeBindings(serdeConfig(config, ports));
    this.#tables = declaredNodes(topology, serdes.bind).globalTables;
    this.#sources = new Map(this.#tables.map((table) => [table.topic, new GlobalSource(table, this.#failures)]));
    await serdes.open();
    if (this.#closed) throw this.#stopped();
    this.#loading = true;
    this.#deadLetters = new DeadLetterWriter(ports.broker, topics, this.#failures);
    this.#state = await GlobalState.open({
      root: ports.stateDirectory,
      applicationId: prefix,
      openDatabase: ports.openDatabase,
      topology: topology.name,
      tables: this.#tables.map(({ topic, store, key, value }) => ({
        topic,
        spec: { name: store, kind: 'keyValue', key, value },
      })),
      budget,
      ...(ports.identityFiles && { files: ports.identityFiles }),
    });
    this.#endsSeen = ports.clock.now();
    const known = { admin: ports.broker.admin, clock: ports.clock, logger: config.logger };
    const followed: Followed[] = [];
    for (const table of this.#tables) {
      const places = await globalPositions(table, topics.count(table.topic), this.#state, known);
      followed.push(...places.map((place) => ({ ...place, store: table.store })));
    }
    this.#followed = followed;
    const intake = await this.#openIntake();
    this.#intake = intake;
    await this.#readToEnds(intake, LOAD_BATCH, WAIT_MS);
    if (this.#closed) throw this.#stopped();
    // Partitions that had nothing to read are now also recorded as current.
    await this.#state.apply([], this.#followed);
    this.#loading = false;
  }

  /**
   * One order over all records of the topics, as for a task: a row does not depend on which partition answers
   * first.
   */
  async #openIntake(): Promise<Intake> {
    const { broker, clock } = this.#options.ports;
    const { logger } = this.#options.config;
    const { positions } = this;
    const ends = this.#followed.map(({ topic, partition, end: { offset } }) => ({ topic, partition, offset }));
    return new Intake(await broker.createReader(), positions, ends, {
      datesOf: (topic) => this.#sources.get(topic)?.dates,
      ends: new KnownEnds({ admin: broker.admin, clock, logger }),
      aheadRecords: Math.max(MIN_READ_AHEAD_RECORDS, Math.floor(READ_AHEAD_RECORDS / Math.max(1, positions.length))),
    });
  }

  #stopped(): StreamsError {
    return stopped('the engine was stopped', `global tables of ${this.#options.config.applicationId}`);
  }

  async #seeEnds(intake: Intake): Promise<void> {
    const { ports } = this.#options;
    const at = ports.clock.now();
    const latest = await ports.broker.admin.latestOffsets(this.positions);
    intake.expect(latest);
    const ends = new Map(latest.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]));
    this.#followed = this.#followed.map((place) => {
      const offset = ends.get(partitionKey(place.topic, place.partition));
      return offset === undefined ? place : atEnd({ ...place, end: { offset, at } });
    });
    if (!this.#mustSeeEnds) return;
    this.#endsSeen = at;
    await (this.#state as GlobalState).apply([], this.#followed);
  }

  /**
   * Recorded from time to time. Otherwise, the directory of a table that gets no records would look as if it
   * had not been read for long.
   */
  get #mustSeeEnds(): boolean {
    return this.#options.ports.clock.now() - this.#endsSeen >= SEE_ENDS_EVERY_MS;
  }

  /**
   * Reads to the currently known ends, even if they move meanwhile; stops early if a log has lost its end.
   */
  async #readToEnds(intake: Intake, maxRecords: number, maxWaitMs: number): Promise<void> {
    const goal = intake.ends;
    const behind = (): boolean => {
      const { ends } = intake;
      return this.#followed.some(({ offset }, i) => offset < Math.min(goal[i]?.offset ?? 0, ends[i]?.offset ?? 0));
    };
    while (behind() && !this.#closed) await this.#round(intake, maxRecords, maxWaitMs);
  }

  /** Returns whether it has read anything. */
  async #round(intake: Intake, maxRecords: number, maxWaitMs: number): Promise<boolean> {
    if (this.#mustSeeEnds)
      await withRetry('looking at the global tables', this.#retryOptions, () => this.#seeEnds(intake));
    // Waits for a cluster that does not answer: the tables stay as they are until then. An error of the
    // reader moves no position.
    const records = await withRetry('reading the global tables', this.#retryOptions, () =>
      intake.take(maxRecords, maxWaitMs),
    );
    const changes: GlobalChange[] = [];
    for (const record of records) {
      const change = this.#change(this.#sources.get(record.topic) as GlobalSource, record);
      // Only a record that fails is awaited.
      if (change instanceof Promise) changes.push(...(await change));
      else if (change) changes.push(change);
    }
    this.#options.metrics[this.#loading ? 'restoredRecords' : 'recordsIn'] += records.length;
    const { positions } = intake;
    const followed = this.#followed.map((place, i) => {
      const { offset } = positions[i] as PartitionOffset;
      return offset > place.offset ? atEnd({ ...place, offset }) : place;
    });
    const read = followed.filter((place, i) => place !== this.#followed[i]);
    if (read.length === 0) return false;
    await this.#deadLetters?.flush();
    await (this.#state as GlobalState).apply(changes, read);
    this.#followed = followed;
    return true;
  }

  #change(source: GlobalSource, record: BrokerRecord): GlobalChange | undefined | Promise<GlobalChange[]> {
    const { table } = source;
    if (record.key === null) {
      this.#options.metrics.count(table.id, 'null-key');
      return undefined;
    }
    try {
      return source.change(record);
    } catch (error) {
      return this.#changeAgain(table, record, error);
    }
  }

  /** A record that did not decode: retried, skipped, or thrown, as the policy says. */
  async #changeAgain(table: DeclaredGlobalTable, record: BrokerRecord, error: unknown): Promise<GlobalChange[]> {
    const changes: GlobalChange[] = [];
    await this.#failures.handle(
      'deserialize',
      { node: table.id, error, source: record },
      (outgoing) => {
        if (outgoing.kind === 'raw') this.#deadLetters?.add(outgoing.record);
      },
      () => void changes.push(changeOf(table, record)),
    );
    return changes;
  }
}
