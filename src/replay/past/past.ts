import { type BrokerRecord, partitionKey, type TopicPartition } from '../../broker/port.js';
import type { Declaration, Topology } from '../../dsl/contract/processor.js';
import { internalInputTopic, lettersInput, repartitionNames } from '../../graph/naming.js';
import type { Clock } from '../../model/ports.js';
import { type EngineConfig, resolveConfig } from '../../runtime/config/config.js';
import { endingNow } from '../../runtime/config/policies-in-force.js';
import { systemClock } from '../../runtime/config/system.js';
import { RedrivenNotes } from '../../runtime/redrive/redriven-notes.js';
import { withLettersThatExist } from '../../runtime/redrive/with-letters.js';
import type { TopicCounts } from '../../runtime/topics/topics.js';
import { PastSerdes } from '../rerun/past-serdes.js';
import { Rerun } from '../rerun/rerun.js';
import { diskStorage, memoryStorage, type RerunStorage } from '../rerun/rerun-storage.js';
import { MergedReader } from '../slice/merged-reader.js';
import type { Moment } from '../slice/moment.js';
import { PastDates } from '../slice/past-dates.js';
import { cutSlice, type HistoryGap, historyGaps, type Slice } from '../slice/slice.js';
import { countTopics, inputTopics, ofGroup, partitionsOf, sourceTopics } from '../slice/topics.js';
import { topologyIdentity } from '../snapshots/snapshot-format.js';
import { SnapshotWriter } from '../snapshots/snapshot-writer.js';
import { type Snapshot, Snapshots } from '../snapshots/snapshots.js';
import { checkOutcomes } from './missing-outcomes.js';
import type { PastOptions, PastPlan, PastSlice } from './past-options.js';
import { lookingBack } from './past-policies.js';

const EARLIEST: Moment = { kind: 'earliest' };
const LATEST: Moment = { kind: 'latest' };
const MAX_BATCHES_PER_WINDOW = 8;

/** What every look into the past needs from a topology and its topics. */
export interface PastFrame {
  readonly topology: Topology;
  /** The nodes of the topology, with open serdes. */
  readonly declaration: Declaration;
  readonly serdes: PastSerdes;
  readonly options: PastOptions;
  readonly config: EngineConfig;
  readonly topics: TopicCounts;
  readonly partitions: readonly TopicPartition[];
  readonly snapshots: Snapshots | undefined;
  readonly dates: PastDates;
  /** The letters that the application was given again. */
  readonly notes: RedrivenNotes;
}

/**
 * Reads the topics' metadata, and the schema registry if a serde needs it. Errors: TOPIC_UNKNOWN,
 * TOPOLOGY_INVALID, CONFIG_INVALID, and those of the registry.
 */
export async function framePast(declared: Topology, options: PastOptions): Promise<PastFrame> {
  const { applicationId, onError, defaultOnError, deadLetterTopic, cacheBytes, batchRecords, logger } = options;
  const resolved = resolveConfig(
    declared.name,
    {
      ...(applicationId !== undefined && { applicationId }),
      onError: { ...defaultOnError, ...onError },
      ...(deadLetterTopic !== undefined && { deadLetterTopic }),
      ...(cacheBytes !== undefined && { cacheBytes }),
      ...(batchRecords !== undefined && { batchRecords }),
    },
    logger,
  );
  const config = lookingBack(await ofGroup(options.broker.admin, resolved, declared), options);
  const topology = await withLettersThatExist(declared, options.broker.admin, config.version.prefix);
  const topics = await countTopics(options.broker.admin, topology, config);
  const inputs = await inputTopics(topology, options.broker, config.version.prefix);
  const partitions = partitionsOf([...sourceTopics(topology), ...inputs], topics);
  const serdes = new PastSerdes(config.schemasOf, options);
  const declaration = await serdes.declare(topology);
  const dates = new PastDates(inputs, declaration);
  const identity = topologyIdentity(declared, {
    application: config.version.prefix,
    partitions: partitions.map(({ topic, partition }) => partitionKey(topic, partition)),
    // The version also covers three other things. Stand-in ids: a schema that has been registered since is
    // written with another id.
    //
    // Event times: older snapshots were merged without the times in the values, so they may hold other
    // records.
    //
    // Noted pasts: older snapshots do not list writes to the pasts of rows as changes.
    version: [
      options.snapshots?.version ?? '',
      ...serdes.standIns,
      ...(dates.isEmpty ? [] : ['event times']),
      ...(topology.graph.stores.some(({ kind }) => kind === 'versions') ? ['noted pasts'] : []),
    ].join(' '),
  });
  const snapshots = options.snapshots && new Snapshots(options.snapshots.directory, identity, endingNow(config));
  const { prefix } = config.version;
  const letters = new Set(topology.graph.subTopologies.map(({ id }) => internalInputTopic(prefix, lettersInput(id))));
  const notes = await RedrivenNotes.read(
    options.broker,
    partitions.filter(({ topic }) => letters.has(topic)),
    repartitionNames(topology.graph, prefix),
    options.signal,
  );
  return { topology, declaration, serdes, options, config, topics, partitions, snapshots, dates, notes };
}

/** The slice that these moments select. */
export const sliceOf = (
  { options, partitions, dates }: PastFrame,
  { from = EARLIEST, until = LATEST }: PastSlice,
  clock: Clock = systemClock,
): Promise<Slice> => cutSlice(options.broker, partitions, { from, until, now: clock.now(), inputs: dates.inputs });

/** A slice of the past while it is replayed. */
export class Past {
  readonly run: Rerun;
  readonly slice: Slice;
  /** Missing history: a missing beginning (unless a snapshot covers it), and what compaction has removed. */
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
    if (options.effects !== 'pending')
      await checkOutcomes(frame, broker.admin, slice, beganWith && positionsOf(beganWith));
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
      const datesOf = dates.inside(slice);
      reader = await MergedReader.open(broker, slice, { datesOf, logger: config.logger, signal });
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
        notes: frame.notes,
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

  /** Returns the next records, without processing them; an empty array at the end of the slice. */
  async next(max = this.#window): Promise<readonly BrokerRecord[]> {
    const { only } = this.#plan;
    for (;;) {
      const records = await this.#reader.next(Math.min(max, this.#writer?.left(this.run.records) ?? max));
      if (records.length === 0 || !only) return records;
      const some = records.filter(only);
      if (some.length > 0) return some;
    }
  }

  /** Processes records through the topology, then writes a snapshot if one is due. */
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

  /** Releases all resources and deletes the files of the replay. */
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

const positionsOf = ({ positions }: Snapshot): ReadonlyMap<string, number> =>
  new Map(positions.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]));

function afterSnapshot(slice: Slice, snapshot: Snapshot): Slice {
  const from = positionsOf(snapshot);
  return {
    ...slice,
    inputsFollow: false,
    parts: slice.parts.map((part) => ({
      ...part,
      from: from.get(partitionKey(part.topic, part.partition)) ?? part.from,
    })),
  };
}
