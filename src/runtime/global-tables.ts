import type { BrokerRecord, PartitionOffset, Reader } from '../broker/port.js';
import { partitionKey } from '../broker/port.js';
import type { DeclaredGlobalTable, Topology } from '../dsl/processor.js';
import type { StreamsError } from '../model/errors.js';
import type { CacheBudget } from '../state/cache-budget.js';
import { type GlobalChange, type GlobalPosition, GlobalState } from '../state/global-state.js';
import type { GlobalStore } from '../state/global-store.js';
import { GlobalView } from '../state/global-view.js';
import { closeAll } from './close-all.js';
import type { EngineConfig, EnginePorts } from './config.js';
import { DeadLetterWriter } from './dead-letter-writer.js';
import { deserialize } from './deserialize.js';
import { FailureHandler } from './failures.js';
import { type GlobalPlace, placesOf, reached } from './global-places.js';
import type { Metrics } from './metrics.js';
import { type Patience, patiently } from './patience.js';
import { SerdePlaces, serdeConfig } from './serde-places.js';
import { declareOnly } from './slots.js';
import { stopped } from './stopped.js';
import type { TopicCounts } from './topics.js';

/** Records that are read and written to the database together while the tables are loaded. */
const LOAD_BATCH = 10_000;
/** The same afterwards: fewer, so that tasks get their turn. */
const FOLLOW_BATCH = 1_000;
const WAIT_MS = 500;
/** Far below the time that any topic keeps deletions, and seldom enough to cost nothing. */
const SEE_ENDS_EVERY_MS = 600_000;

/** One partition of a global table's topic. */
interface Followed extends GlobalPosition, GlobalPlace {
  readonly table: DeclaredGlobalTable;
  /** The partition's end when last seen. */
  readonly latest: number;
}

/** Finds out when all is read, if anybody waits for that. */
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
 * 1. `load` reads up to where the topics ended when it began, before any task is opened.
 * 2. `follow` goes on in the background; or `catchUp`, whenever the test driver asks.
 * 3. Each round: poll, decode (failures by `onError.deserialize`), dead letters acknowledged, then one write batch with rows and positions, then readers see the rows. A crash between any two of them: the round is read again.
 */
export class GlobalTables {
  readonly #options: GlobalTablesOptions;
  readonly #failures: FailureHandler;
  #tables: readonly DeclaredGlobalTable[] = [];
  readonly #followed = new Map<string, Followed>();
  #state: GlobalState | undefined;
  #reader: Reader | undefined;
  #deadLetters: DeadLetterWriter | undefined;
  readonly #closing = new AbortController();
  #loading = false;
  #endsSeen = Number.NEGATIVE_INFINITY;
  #work: Promise<unknown> = Promise.resolve();

  constructor(options: GlobalTablesOptions) {
    this.#options = options;
    this.#failures = new FailureHandler(options.config, options.ports.clock, options.metrics);
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  get #patience(): Patience {
    const { ports, config } = this.#options;
    return { clock: ports.clock, logger: config.logger, signal: this.#closing.signal };
  }

  get loading(): boolean {
    return this.#loading;
  }

  /** Records that are in the topics, as last seen, and not in the tables. */
  get lag(): number {
    let lag = 0;
    for (const { latest, offset } of this.#followed.values()) lag += Math.max(0, latest - offset);
    return lag;
  }

  /** Next offset of every partition. */
  get positions(): readonly PartitionOffset[] {
    return [...this.#followed.values()].map(({ topic, partition, offset }) => ({ topic, partition, offset }));
  }

  store(name: string): GlobalStore<unknown, unknown> | undefined {
    return this.#state?.store(name);
  }

  /** What one task reads them through, by store. */
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

  /** Reads on in the background, and looks for those who wait until all is read. */
  follow(idle: Watch, onFailure: (error: Error) => void): void {
    if (this.#tables.length === 0) return;
    this.#work = (async () => {
      while (!this.#closed) if ((await this.#round(FOLLOW_BATCH, WAIT_MS)) && idle.wanted) await idle.look();
    })().catch(onFailure);
  }

  /** Reads up to where the topics end now. */
  async catchUp(): Promise<void> {
    if (this.#tables.length === 0) return;
    await this.#seeEnds();
    await this.#readToEnds(FOLLOW_BATCH, 0);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#reader?.wakeup();
    await this.#work.catch(() => undefined);
    await closeAll(this.#reader, this.#deadLetters, this.#state);
  }

  async #load(topics: TopicCounts, prefix: string): Promise<void> {
    const { topology, config, ports, budget } = this.#options;
    if (!topology.graph.nodes.some(({ kind }) => kind === 'globalTable')) return;
    const serdes = new SerdePlaces(serdeConfig(config, ports));
    this.#tables = declareOnly(topology, serdes.bind).globalTables;
    await serdes.open();
    if (this.#closed) throw this.#stopped();
    this.#loading = true;
    this.#deadLetters = new DeadLetterWriter(ports.broker, topics);
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
    this.#reader = await ports.broker.createReader();
    this.#endsSeen = ports.clock.now();
    for (const table of this.#tables) await this.#begin(table, topics.count(table.topic), this.#state, this.#reader);
    await this.#readToEnds(LOAD_BATCH, WAIT_MS);
    if (this.#closed) throw this.#stopped();
    // Also of those that had nothing to be read it is known now as of when they are.
    await this.#state.apply([], [...this.#followed.values()]);
    this.#loading = false;
  }

  async #begin(table: DeclaredGlobalTable, count: number, state: GlobalState, reader: Reader): Promise<void> {
    const { ports, config } = this.#options;
    const { store } = table;
    const known = { admin: ports.broker.admin, clock: ports.clock, logger: config.logger };
    for (const place of await placesOf(table, count, state, known)) {
      this.#followed.set(partitionKey(place.topic, place.partition), {
        table,
        store,
        latest: place.end.offset,
        ...place,
      });
      reader.seek(place);
    }
  }

  #stopped(): StreamsError {
    return stopped('the engine was stopped', `global tables of ${this.#options.config.applicationId}`);
  }

  async #seeEnds(): Promise<void> {
    const { ports } = this.#options;
    const at = ports.clock.now();
    for (const { topic, partition, offset } of await ports.broker.admin.latestOffsets(this.positions)) {
      const key = partitionKey(topic, partition);
      const followed = this.#followed.get(key) as Followed;
      this.#followed.set(key, reached({ ...followed, latest: offset, end: { offset, at } }));
    }
    if (!this.#mustSeeEnds) return;
    this.#endsSeen = at;
    await (this.#state as GlobalState).apply([], [...this.#followed.values()]);
  }

  /** Now and then it is noted, so that the directory of a table into which nothing comes does not look as if nobody had read it. */
  get #mustSeeEnds(): boolean {
    return this.#options.ports.clock.now() - this.#endsSeen >= SEE_ENDS_EVERY_MS;
  }

  /** Up to the ends as they are known now, wherever they are meanwhile. */
  async #readToEnds(maxRecords: number, maxWaitMs: number): Promise<void> {
    const ends = [...this.#followed].map(([key, { latest }]) => [key, latest] as const);
    const behind = (): boolean => ends.some(([key, end]) => (this.#followed.get(key) as Followed).offset < end);
    while (behind() && !this.#closed) await this.#round(maxRecords, maxWaitMs);
  }

  /** Returns whether it got on. */
  async #round(maxRecords: number, maxWaitMs: number): Promise<boolean> {
    if (this.#mustSeeEnds) await patiently('looking at the global tables', this.#patience, () => this.#seeEnds());
    // A cluster that is away is waited for: the tables are as they were until then. An error of the reader moves no position.
    const batches = await patiently('reading the global tables', this.#patience, () =>
      (this.#reader as Reader).poll({ maxRecords, maxWaitMs }),
    );
    const changes: GlobalChange[] = [];
    const read: Followed[] = [];
    for (const { topic, partition, records, nextOffset, latestOffset } of batches) {
      const followed = this.#followed.get(partitionKey(topic, partition)) as Followed;
      for (const record of records) {
        const change = this.#change(followed.table, record);
        // Only a record that fails is waited for.
        if (change instanceof Promise) changes.push(...(await change));
        else if (change) changes.push(change);
      }
      this.#options.metrics[this.#loading ? 'restoredRecords' : 'recordsIn'] += records.length;
      read.push(reached({ ...followed, offset: nextOffset, latest: latestOffset }));
    }
    if (read.length === 0) return false;
    await this.#deadLetters?.flush();
    await (this.#state as GlobalState).apply(changes, read);
    for (const followed of read) this.#followed.set(partitionKey(followed.topic, followed.partition), followed);
    return true;
  }

  #change(table: DeclaredGlobalTable, record: BrokerRecord): GlobalChange | undefined | Promise<GlobalChange[]> {
    if (record.key === null) {
      this.#options.metrics.count(table.id, 'null-key');
      return undefined;
    }
    try {
      return changeOf(table, record);
    } catch (error) {
      return this.#changeAgain(table, record, error);
    }
  }

  /** What did not decode: tried again, skipped, or thrown, as the policy says. */
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

/** The value stays as it is written, and is decoded only to know that it can be; the key is written anew, so that equal keys are equal bytes. */
export function changeOf(table: DeclaredGlobalTable, record: BrokerRecord): GlobalChange {
  const { key, value, timestamp } = deserialize(table, record);
  return { store: table.store, key, value: value === null ? null : asWritten(table, record), timestamp };
}

/** The bytes of a value, with what a header says of their format in front: the row has no headers. */
function asWritten({ value: { header } }: DeclaredGlobalTable, { value, headers }: BrokerRecord): Buffer {
  const said = header === undefined ? undefined : headers.get(header);
  return said ? Buffer.concat([said, value as Buffer]) : (value as Buffer);
}
