import type { BrokerRecord } from '../../broker/port.js';
import type { Processor, Topology } from '../../dsl/contract/processor.js';
import type { SubTopology } from '../../graph/graph.js';
import { taskId } from '../../graph/naming.js';
import type { DatabaseWrite } from '../../model/database.js';
import { ownOf, setOwn } from '../../model/own.js';
import type { BatchRunner } from '../../runtime/batch/batch-runner.js';
import { buildTaskRunner } from '../../runtime/batch/task-runner.js';
import type { EngineConfig } from '../../runtime/config/config.js';
import type { Metrics } from '../../runtime/config/metrics.js';
import type { JumpState } from '../../runtime/poll/time-jumps.js';
import type { RunObserver } from '../../runtime/record/observer.js';
import { RedrivenNotes } from '../../runtime/redrive/redriven-notes.js';
import type { WaitingEffect } from '../../runtime/send/effects.js';
import type { TopicCounts } from '../../runtime/topics/topics.js';
import type { CacheBudget } from '../../state/cache/cache-budget.js';
import type { Row, StoreSpec } from '../../state/contract.js';
import type { GlobalView } from '../../state/global/global-view.js';
import { TaskState } from '../../state/store/task-state.js';
import { ObservedStore, type StoreObserver } from './observed-store.js';
import type { PastSerdes } from './past-serdes.js';
import { RerunClock } from './rerun-clock.js';
import type { RerunStorage } from './rerun-storage.js';
import { type Put, WatchedStore } from './watched-store.js';

export interface RerunTaskOptions {
  readonly topology: Topology;
  readonly serdes: PastSerdes;
  readonly subTopology: SubTopology;
  readonly partition: number;
  readonly stores: readonly StoreSpec[];
  readonly config: EngineConfig;
  readonly storage: RerunStorage;
  readonly topics: TopicCounts;
  readonly budget: CacheBudget;
  readonly metrics: Metrics;
  readonly globals: ReadonlyMap<string, GlobalView<unknown, unknown>>;
  /** Stream time of the task when it was closed, if it has no store to keep it. */
  readonly streamTime: number;
  /** The jump state of its source topics at that time, by topic. */
  readonly jumps: Readonly<Record<string, JumpState>>;
  readonly observer: RunObserver;
  /** Called for each call to the outside world that is skipped. */
  readonly silenced: (call: WaitingEffect) => void;
  /** Observes lookups in stores. Default: none. */
  readonly storeObserver?: StoreObserver | undefined;
  /** Called for each write to the stores. */
  readonly put?: ((put: Put) => void) | undefined;
  readonly notes?: RedrivenNotes | undefined;
}

/**
 * One task of a rerun. State, pipeline and batches are those of the engine; the rerun decides where records
 * come from and go to. Nothing leaves it: the observer receives its outputs, and it skips and reports calls
 * to the outside world.
 */
export class RerunTask {
  readonly id: string;
  readonly #options: RerunTaskOptions;
  #state: TaskState | undefined;
  #runner!: BatchRunner;
  #fatal: Error | undefined;
  #uncommitted = 0;
  #positions: Record<string, number> = {};

  private constructor(options: RerunTaskOptions) {
    this.#options = options;
    this.id = taskId(options.subTopology.id, options.partition);
  }

  static async open(options: RerunTaskOptions): Promise<RerunTask> {
    const task = new RerunTask(options);
    try {
      await task.#open();
      return task;
    } catch (error) {
      await task.close().catch(() => undefined);
      throw error;
    }
  }

  get subTopology(): SubTopology {
    return this.#options.subTopology;
  }

  get partition(): number {
    return this.#options.partition;
  }

  get state(): TaskState | undefined {
    return this.#state;
  }

  get streamTime(): number {
    return this.#runner.recordContext.streamTime;
  }

  get jumps(): Readonly<Record<string, JumpState>> {
    return Object.fromEntries(this.#runner.jumps);
  }

  /** Place of the current record in its batch. */
  get index(): number {
    return this.#runner.recordContext.index;
  }

  get commitDue(): boolean {
    const { config, budget } = this.#options;
    return this.#uncommitted >= config.commitRecords || (this.#uncommitted > 0 && budget.exceeded);
  }

  /** Processes a batch. The observer receives its outputs. */
  async run(records: readonly BrokerRecord[]): Promise<void> {
    await this.#runner.run(records);
    const last = new Map<string, number>();
    for (const { topic, offset } of records) last.set(topic, offset + 1);
    for (const [topic, offset] of last) setOwn(this.#positions, topic, offset);
    this.#uncommitted += records.length;
    this.#end();
  }

  /** Brings the caches back within bounds, and releases rows that were looked up in global tables. */
  release(): void {
    for (const view of this.#options.globals.values()) view.release();
    this.#state?.evict();
  }

  /**
   * Writes the changes to the database, as a commit does, but without a changelog. Returns false if there was
   * nothing to do.
   */
  async commit(): Promise<boolean> {
    if (this.#uncommitted === 0) return false;
    this.#uncommitted = 0;
    if (this.#state) {
      const { writes } = await this.#state.prepare();
      await this.#state.apply(
        writes as DatabaseWrite[],
        { sources: { ...this.#positions }, changelogs: {} },
        this.#runner.recordContext.streamTime,
      );
    }
    this.#end();
    this.release();
    return true;
  }

  /** The row of a key in the database, without the writes since the last commit. */
  committed(store: string, key: unknown, streamTime: number): Promise<Row<unknown> | null> {
    return (this.#state as TaskState).cached(store).peek(key, streamTime);
  }

  async close(): Promise<void> {
    await this.#state?.close();
    this.#state = undefined;
  }

  #end(): void {
    if (this.#fatal) throw this.#fatal;
  }

  async #open(): Promise<void> {
    const { topology, config, storage, stores, budget, put } = this.#options;
    let { streamTime } = this.#options;
    if (stores.length > 0) {
      this.#state = await TaskState.open({
        root: storage.root,
        applicationId: config.version.prefix,
        taskId: this.id,
        openDatabase: storage.openDatabase,
        topology: topology.name,
        stores,
        budget,
        files: storage.files,
        createStore: put && ((store) => new WatchedStore(store, put)),
      });
      const { sources, streamTimes } = this.#state.checkpoint;
      this.#positions = { ...this.#positions, ...sources };
      streamTime = Math.max(streamTime, streamTimes[''] ?? Number.NEGATIVE_INFINITY);
    }
    const processors = await this.#build(streamTime);
    for (const processor of processors) await processor.start?.();
  }

  async #build(streamTime: number): Promise<readonly Processor[]> {
    const { topology, subTopology, partition, config, topics, metrics, globals, observer, jumps } = this.#options;
    const { runner, processors } = await buildTaskRunner({
      ...{ topology, subTopology, partition, config, topics, metrics, globals, observer, streamTime },
      taskId: this.id,
      serdes: this.#options.serdes,
      clockOf: (now) => new RerunClock(now),
      notes: this.#options.notes ?? RedrivenNotes.NONE,
      cause: this.#state?.cause,
      state: this.#observedState(),
      // Makes no calls: the live run has already made them.
      effects: (call) => {
        this.#options.silenced(call as WaitingEffect);
        return false;
      },
      jump: (topic) => ownOf(jumps, topic),
      onFatal: (error) => {
        this.#fatal ??= error;
      },
    });
    this.#runner = runner;
    return processors;
  }

  #observedState(): Pick<TaskState, 'store' | 'cached'> | undefined {
    const state = this.#state;
    const { storeObserver } = this.#options;
    if (!state || !storeObserver) return state;
    // One object per store: code that reads for a batch would treat two objects as two stores.
    const stores = new Map<string, ObservedStore<unknown, unknown>>();
    const observed = (name: string): ObservedStore<unknown, unknown> => {
      const store = stores.get(name) ?? new ObservedStore(state.store<unknown, unknown>(name), storeObserver);
      stores.set(name, store);
      return store;
    };
    return { store: (name) => observed(name) as never, cached: (name) => state.cached(name) };
  }
}
