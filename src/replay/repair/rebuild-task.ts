import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Broker, PartitionOffset, TopicPartition } from '../../broker/port.js';
import type { Topology } from '../../dsl/contract/processor.js';
import { changelogTopic, transactionalId } from '../../graph/naming.js';
import { isStreamsError, StreamsError } from '../../model/errors.js';
import { Headers } from '../../model/headers.js';
import { ownOf } from '../../model/own.js';
import { type Clock, sleep } from '../../model/ports.js';
import type { EngineConfig } from '../../runtime/config/config.js';
import { stopped } from '../../runtime/config/stopped.js';
import { checkNotAhead } from '../../runtime/offsets/lost-offsets.js';
import { ResumePositions } from '../../runtime/offsets/resume-positions.js';
import { restore } from '../../runtime/restore/restore.js';
import { Reprocessing } from '../../runtime/send/reprocessing.js';
import type { PlannedTask } from '../../runtime/topics/planned-tasks.js';
import { sourcePartitions } from '../../runtime/topics/sources.js';
import type { TopicCounts } from '../../runtime/topics/topics.js';
import { CacheBudget } from '../../state/cache/cache-budget.js';
import type { StoreSpec } from '../../state/contract.js';
import { openRocksDatabase } from '../../state/database/rocksdb.js';
import { compareStores, type StoreComparison, storeDifferences } from '../../state/rebuild/compare-stores.js';
import { StoreSwap } from '../../state/rebuild/store-swap.js';
import type { StoreBytes } from '../../state/rows/store-bytes.js';
import { TaskState } from '../../state/store/task-state.js';

/** The steps of a rebuild, for each task, in their order. */
export type RebuildStep = '1 built' | '2 verified' | '3 logged' | '4 copied' | '5 swapped' | '6 cleaned';

/** Progress of one task. */
export interface RebuildProgress {
  readonly task: string;
  readonly doing: 'restoring' | 'replaying' | 'comparing' | 'logging' | 'copying' | 'removing';
  /** Rows, or records where records are read. */
  readonly done: number;
  /** Null: unknown. */
  readonly total: number | null;
}

/** One task's part of a rebuilt store. */
export interface RebuiltTask extends StoreComparison {
  readonly task: string;
  /**
   * An earlier rebuild has already swapped the stores. Only its remains were removed, and nothing was
   * compared.
   */
  readonly finished: boolean;
  /** The old store was at an earlier commit, after a crash. The application would have restored the rest. */
  readonly behind: boolean;
}

/** What all tasks of a rebuild have in common. */
export interface RebuildContext {
  readonly topology: Topology;
  readonly broker: Broker;
  readonly config: EngineConfig;
  readonly topics: TopicCounts;
  readonly spec: StoreSpec;
  readonly stateDirectory: string;
  /** Positions of the whole group. */
  readonly committed: readonly PartitionOffset[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: RebuildProgress) => void) | undefined;
  /** Called after each step: a crash test throws here. */
  readonly afterStep?: ((step: RebuildStep, task: string) => void | Promise<void>) | undefined;
}

/** Small, because rows are read only once. */
const CACHE_BYTES = 1024 * 1024;
/**
 * How long brokers may take to make the records of a transaction visible. The broker ends another open
 * transaction after a minute at the latest.
 */
const VISIBLE_MS = 60_000;
const NOTHING: StoreComparison = { equal: 0, added: 0, changed: 0, removed: 0, unreadable: 0 };

/** Directory of everything that rebuilds of an application keep until they are complete. */
export const rebuildDirectory = (stateDirectory: string, prefix: string): string =>
  join(stateDirectory, 'rebuild', prefix);

/** One task of a rebuild: its own database, locked, and the new store that is built next to it. */
export class TaskRebuild {
  readonly #context: RebuildContext;
  readonly #task: PlannedTask;
  readonly #swap: StoreSwap;
  readonly #places: ResumePositions;
  readonly #committed: readonly PartitionOffset[];
  #rebuilt: TaskState | undefined;

  private constructor(parts: {
    readonly context: RebuildContext;
    readonly task: PlannedTask;
    readonly swap: StoreSwap;
    readonly places: ResumePositions;
    readonly committed: readonly PartitionOffset[];
  }) {
    this.#context = parts.context;
    this.#task = parts.task;
    this.#swap = parts.swap;
    this.#places = parts.places;
    this.#committed = parts.committed;
  }

  /** Errors: STATE_LOCKED; STATE_MISMATCH if the state belongs to another owner, or is ahead of the group. */
  static async open(context: RebuildContext, task: PlannedTask): Promise<TaskRebuild> {
    const { topology, config, spec, stateDirectory, topics, broker } = context;
    const { applicationId } = config;
    const { partition } = task;
    const { prefix } = config.version;
    const sources = sourcePartitions(task.subTopology, prefix, partition, topics);
    const committedOf = async (source: TopicPartition): Promise<readonly PartitionOffset[]> =>
      context.committed.filter((at) => at.topic === source.topic && at.partition === source.partition);
    const own = (await Promise.all(sources.map(committedOf))).flat();
    const committed = Reprocessing.of(own, { applicationId, taskId: task.id })?.contained(own) ?? own;
    const swap = await StoreSwap.open({
      root: stateDirectory,
      applicationId: prefix,
      taskId: task.id,
      topology: topology.name,
      spec,
      openDatabase: openRocksDatabase,
    });
    try {
      const parts = { broker, graph: topology.graph, config, topics, partition, sources, committed, committedOf };
      const places = await ResumePositions.of(parts);
      checkNotAhead(swap, places);
      return new TaskRebuild({ context, task, swap, places, committed });
    } catch (error) {
      await swap.close();
      throw error;
    }
  }

  get id(): string {
    return this.#task.id;
  }

  /** True if only step 6 of an earlier rebuild remains. */
  get swapped(): boolean {
    return this.#swap.swapped;
  }

  /**
   * Restores the new store from the changelog, or brings an existing one up to the changelog's current end.
   */
  async build(): Promise<void> {
    try {
      await this.#restore();
    } catch (error) {
      // The new store is only a copy: if it does not fit any more, it is built again from the beginning.
      if (!isStreamsError(error) || !['STATE_MISMATCH', 'STATE_CORRUPT'].includes(error.code)) throw error;
      await this.#removeRebuilt();
      await this.#restore();
    }
  }

  /** Compares the old store with the given one; default: the store that was built from the changelog. */
  async verify(fresh: StoreBytes = this.#fresh): Promise<RebuiltTask> {
    const { spec } = this.#context;
    const { streamTimes, sources } = this.#swap.checkpoint;
    const old = ownOf(streamTimes, spec.name) ?? Number.NEGATIVE_INFINITY;
    const streamTime = Math.max(old, (this.#rebuilt as TaskState).cached(spec.name).streamTime);
    const onRows = this.#counter('comparing');
    const found = await compareStores({ spec, old: this.#swap.store, fresh, streamTime, onRows });
    const behind = this.#committed.some(({ topic, offset }) => (ownOf(sources, topic) ?? 0) < offset);
    return { task: this.id, finished: false, behind, ...found };
  }

  /** Writes the differences to the given store to the changelog, then restores them from it. */
  async log(fresh: StoreBytes): Promise<void> {
    const { broker, config, spec } = this.#context;
    const topic = changelogTopic(config.version.prefix, spec.name);
    const counted = this.#counter('logging');
    const streamTime = (this.#rebuilt as TaskState).cached(spec.name).streamTime;
    // The task's own transactional id: opening the writer ends a transaction that the task left open, which
    // would hide later records.
    const writer = await broker.createWriter({ transactionalId: transactionalId(config.applicationId, this.id) });
    try {
      for await (const rows of storeDifferences(this.#fresh, fresh, Math.max(0, streamTime))) {
        await writer.begin();
        // Without a cause they count as committed.
        await writer.write(
          rows.map((row) => ({ topic, partition: this.#task.partition, ...row, headers: new Headers([]) })),
        );
        await writer.commit();
        counted(rows.length);
      }
      await this.#seen(topic, writer.acknowledged(topic, this.#task.partition) ?? 0);
    } finally {
      await writer.close();
    }
    await this.build();
  }

  /** Replaces the old store with the new one. */
  async finish(rows: number): Promise<void> {
    await this.#swap.copy(this.#fresh, this.#counter('copying', rows));
    await this.#after('4 copied');
    await this.#swap.swap();
    await this.#after('5 swapped');
    await this.clean();
    await this.#after('6 cleaned');
  }

  /** The report if only step 6 remains. */
  get finished(): RebuiltTask {
    return { task: this.id, finished: true, behind: false, ...NOTHING };
  }

  /** Removes the old rows and the temporary store after a swap; without a swap, the unused new store. */
  async clean(): Promise<void> {
    await this.#swap.clean(this.#counter('removing'));
    await this.#removeRebuilt();
  }

  /** Keeps what was built, for the next call. */
  async close(): Promise<void> {
    await this.#rebuilt?.close();
    this.#rebuilt = undefined;
    await this.#swap.close();
  }

  get #fresh(): StoreBytes {
    return (this.#rebuilt as TaskState).bytes(this.#context.spec.name);
  }

  /** Waits until the changelog is readable up to `end`: brokers may show committed records a moment later. */
  async #seen(topic: string, end: number): Promise<void> {
    const { broker, clock, signal } = this.#context;
    const { partition } = this.#task;
    for (const until = clock.monotonic() + VISIBLE_MS; ; await sleep(clock, 50, signal)) {
      const [latest] = await broker.admin.latestOffsets([{ topic, partition }]);
      if ((latest?.offset ?? 0) >= end) return;
      if (signal.aborted) throw stopped('the rebuild was stopped', `task ${this.id}`);
      if (clock.monotonic() < until) continue;
      throw new StreamsError('BROKER_UNAVAILABLE', {
        what: 'records that were committed cannot be read',
        at: `${topic}[${partition}]`,
        saw: `offset ${latest?.offset ?? 0} as the end`,
        expected: `at least ${end}`,
        action: 'Another transaction may be open there. Run the rebuild once more: it goes on where it was.',
      });
    }
  }

  async #restore(): Promise<void> {
    const { topology, broker, clock, config, spec, stateDirectory, signal, onProgress } = this.#context;
    const { prefix } = config.version;
    this.#rebuilt ??= await TaskState.open({
      root: join(stateDirectory, 'rebuild'),
      applicationId: prefix,
      taskId: this.id,
      topology: topology.name,
      stores: [spec],
      openDatabase: openRocksDatabase,
      budget: new CacheBudget(CACHE_BYTES),
    });
    await restore({
      broker,
      clock,
      config,
      state: this.#rebuilt,
      taskId: this.id,
      prefix,
      partition: this.#task.partition,
      places: this.#places,
      committed: this.#committed,
      signal,
      onProgress: (left, restored) =>
        onProgress?.({ task: this.id, doing: 'restoring', done: restored, total: restored + left }),
    });
    if (signal.aborted) throw stopped('the rebuild was stopped', `task ${this.id}`);
  }

  async #removeRebuilt(): Promise<void> {
    const { stateDirectory, config } = this.#context;
    await this.#rebuilt?.close();
    this.#rebuilt = undefined;
    const directory = join(rebuildDirectory(stateDirectory, config.version.prefix), this.id);
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  }

  /** Adds up the rows that are done, reports progress, and throws STOPPED if the signal is aborted. */
  #counter(doing: RebuildProgress['doing'], total: number | null = null): (rows: number) => void {
    const { signal, onProgress } = this.#context;
    let done = 0;
    return (rows) => {
      done += rows;
      onProgress?.({ task: this.id, doing, done, total });
      if (signal.aborted) throw stopped('the rebuild was stopped', `task ${this.id}`);
    };
  }

  async #after(step: RebuildStep): Promise<void> {
    await this.#context.afterStep?.(step, this.id);
  }
}
