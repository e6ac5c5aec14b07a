import { type BrokerRecord, partitionKey, type TopicPartition } from '../broker/port.js';
import type { Declaration, Topology } from '../dsl/processor.js';
import type { Clock } from '../model/ports.js';
import { type EngineConfig, resolveConfig } from '../runtime/config.js';
import { systemClock } from '../runtime/system.js';
import type { TopicCounts } from '../runtime/topics.js';
import { MergedReader } from './merged-reader.js';
import type { Moment } from './moment.js';
import { PastDates } from './past-dates.js';
import type { PastOptions, PastPlan, PastSlice } from './past-options.js';
import { PastSerdes } from './past-serdes.js';
import { Rerun } from './rerun.js';
import { diskStorage, memoryStorage, type RerunStorage } from './rerun-storage.js';
import { cutSlice, type HistoryGap, historyGaps, type Slice } from './slice.js';
import { topologyIdentity } from './snapshot-format.js';
import { SnapshotWriter } from './snapshot-writer.js';
import { type Snapshot, Snapshots } from './snapshots.js';
import { countTopics, ofGroup, sourceTopics } from './topics.js';

const EARLIEST: Moment = { kind: 'earliest' };
const LATEST: Moment = { kind: 'latest' };
const MAX_BATCHES_PER_WINDOW = 8;

/** What every look into the past has to know of a topology and its topics. */
export interface PastFrame {
  readonly topology: Topology;
  /** Its nodes, with serdes that are open. */
  readonly declaration: Declaration;
  readonly serdes: PastSerdes;
  readonly options: PastOptions;
  readonly config: EngineConfig;
  readonly topics: TopicCounts;
  readonly partitions: readonly TopicPartition[];
  readonly snapshots: Snapshots | undefined;
  readonly dates: PastDates;
}

/**
 * Looks at the topics, and at the schema registry if a serde needs one. TOPIC_UNKNOWN, TOPOLOGY_INVALID,
 * CONFIG_INVALID, and the errors of the registry.
 */
export async function framePast(topology: Topology, options: PastOptions): Promise<PastFrame> {
  const { applicationId, onError, deadLetterTopic, cacheBytes, batchRecords, logger } = options;
  const resolved = resolveConfig(
    topology.name,
    {
      ...(applicationId !== undefined && { applicationId }),
      ...(onError !== undefined && { onError }),
      ...(deadLetterTopic !== undefined && { deadLetterTopic }),
      ...(cacheBytes !== undefined && { cacheBytes }),
      ...(batchRecords !== undefined && { batchRecords }),
    },
    logger,
  );
  const config = await ofGroup(options.broker.admin, resolved, topology);
  const topics = await countTopics(options.broker.admin, topology, config);
  const partitions = sourceTopics(topology).flatMap((topic) =>
    Array.from({ length: topics.count(topic) }, (_, partition) => ({ topic, partition })),
  );
  const serdes = new PastSerdes(config.schemasOf, options);
  const declaration = await serdes.declare(topology);
  const dates = new PastDates(declaration);
  const identity = topologyIdentity(topology, {
    application: config.version.prefix,
    partitions: partitions.map(({ topic, partition }) => partitionKey(topic, partition)),
    // A schema that is registered meanwhile is written with another id.
    // Snapshots from before records were merged by the times in their values hold other beginnings.
    // Those from before writes to the pasts of rows were noted do not say that these have changed.
    version: [
      options.snapshots?.version ?? '',
      ...serdes.standIns,
      ...(dates.isEmpty ? [] : ['event times']),
      ...(topology.graph.stores.some(({ kind }) => kind === 'versions') ? ['noted pasts'] : []),
    ].join(' '),
  });
  const snapshots = options.snapshots && new Snapshots(options.snapshots.directory, identity);
  return { topology, declaration, serdes, options, config, topics, partitions, snapshots, dates };
}

/** The slice of a past. */
export const sliceOf = (
  { options, partitions }: PastFrame,
  { from = EARLIEST, until = LATEST }: PastSlice,
  clock: Clock = systemClock,
): Promise<Slice> => cutSlice(options.broker, partitions, { from, until, now: clock.now() });

/** A slice of the past that is being run again. */
export class Past {
  readonly run: Rerun;
  readonly slice: Slice;
  /** What is missing: a beginning, unless a snapshot stands for it; and what compaction has removed. */
  readonly gaps: readonly HistoryGap[];
  readonly beganWith: Snapshot | undefined;
  readonly #frame: PastFrame;
  readonly #plan: PastPlan;
  readonly #reader: MergedReader;
  readonly #storage: RerunStorage;
  readonly #writer: SnapshotWriter | undefined;
  readonly #window: number;

  private constructor(parts: {
    readonly frame: PastFrame;
    readonly plan: PastPlan;
    readonly slice: Slice;
    readonly reader: MergedReader;
    readonly storage: RerunStorage;
    readonly run: Rerun;
    readonly beganWith: Snapshot | undefined;
    readonly writer: SnapshotWriter | undefined;
  }) {
    const { frame, plan, slice, reader, storage, run, beganWith, writer } = parts;
    this.#frame = frame;
    this.#plan = plan;
    this.slice = slice;
    this.#reader = reader;
    this.#storage = storage;
    this.run = run;
    this.beganWith = beganWith;
    this.#writer = writer;
    this.gaps = historyGaps(slice, beganWith !== undefined);
    const widest = Math.min(MAX_BATCHES_PER_WINDOW, Math.max(1, ...run.tasks.map(({ partition }) => partition + 1)));
    this.#window = frame.config.batchRecords * widest;
  }

  static async open(frame: PastFrame, plan: PastPlan = {}): Promise<Past> {
    const { topology, declaration, serdes, options, config, topics, snapshots, dates } = frame;
    const { broker, signal } = options;
    const whole = await sliceOf(frame, plan);
    const usable = snapshots && plan.beginWith ? await snapshots.within(whole, broker, dates) : [];
    const beganWith = plan.beginWith?.(usable);
    const slice = beganWith ? afterSnapshot(whole, beganWith) : whole;
    const storage = options.inMemory && !snapshots ? memoryStorage() : await diskStorage(options.snapshots?.directory);
    let reader: MergedReader | undefined;
    let run: Rerun | undefined;
    try {
      if (beganWith) await snapshots?.restore(beganWith, storage);
      const fromBeginning = whole.parts.every(({ from }) => from === 0);
      const every = options.snapshots?.every;
      const writer =
        every && snapshots && !plan.only && (fromBeginning || beganWith)
          ? new SnapshotWriter({
              snapshots,
              every,
              storage,
              topology: topology.name,
              declaration,
              application: config.version.prefix,
              dates,
              beganWith,
            })
          : undefined;
      reader = await MergedReader.open(broker, slice, { datesOf: dates.of, logger: config.logger, signal });
      run = await Rerun.open({
        topology,
        serdes,
        config,
        topics,
        storage,
        watcher: plan.watcher,
        changed: writer?.changed,
        capture: plan.capture,
        silenced: plan.silenced,
        start: beganWith,
        alone: true,
      });
      return new Past({ frame, plan, slice, reader, storage, run, beganWith, writer });
    } catch (error) {
      await Promise.allSettled([reader?.close(), run?.close()]);
      await storage.remove().catch(() => undefined);
      throw error;
    }
  }

  get storage(): RerunStorage {
    return this.#storage;
  }

  /** Next offset of each source partition. */
  get positions(): MergedReader['positions'] {
    return this.#reader.positions;
  }

  /** The next records, not yet taken through the topology; none at the end. */
  async next(max = this.#window): Promise<readonly BrokerRecord[]> {
    const { only } = this.#plan;
    for (;;) {
      const records = await this.#reader.next(Math.min(max, this.#writer?.left(this.run.records) ?? max));
      if (records.length === 0 || !only) return records;
      const some = records.filter(only);
      if (some.length > 0) return some;
    }
  }

  /** Takes records through the topology; afterwards a snapshot is written if one is due. */
  async process(records: readonly BrokerRecord[]): Promise<void> {
    await this.run.process(records);
    await this.#writer?.after(records, this.run, this.#reader);
    this.#frame.options.onProgress?.({
      records: this.run.records,
      total: this.#reader.total + (this.beganWith?.records ?? 0),
    });
  }

  /** Runs to the end of the slice, or until the function returns true. */
  async toEnd(stop?: (records: readonly BrokerRecord[]) => boolean): Promise<void> {
    for (let records = await this.next(); records.length > 0; records = await this.next()) {
      await this.process(records);
      if (stop?.(records)) return;
    }
    await this.run.commit();
  }

  /** Gives everything back, and removes what it had on disk. */
  async close(): Promise<void> {
    const results = await Promise.allSettled([this.#reader.close(), this.run.close()]);
    await this.#storage.remove();
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }
}

/** Opens a past, and closes it after use. */
export async function withPast<T>(frame: PastFrame, plan: PastPlan, use: (past: Past) => Promise<T>): Promise<T> {
  const past = await Past.open(frame, plan);
  let result: T;
  try {
    result = await use(past);
  } catch (error) {
    await past.close().catch(() => undefined);
    throw error;
  }
  await past.close();
  return result;
}

function afterSnapshot(slice: Slice, { positions }: Snapshot): Slice {
  const from = new Map(positions.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]));
  return {
    ...slice,
    parts: slice.parts.map((part) => ({
      ...part,
      from: from.get(partitionKey(part.topic, part.partition)) ?? part.from,
    })),
  };
}
