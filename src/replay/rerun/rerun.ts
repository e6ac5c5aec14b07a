import type { BrokerRecord } from '../../broker/port.js';
import type { Topology } from '../../dsl/contract/processor.js';
import { repartitionTopic } from '../../graph/naming.js';
import { ownOf, setOwn } from '../../model/own.js';
import type { EngineConfig } from '../../runtime/config/config.js';
import { Metrics } from '../../runtime/config/metrics.js';
import { SerdeBindings } from '../../runtime/config/serde-bindings.js';
import type { RedrivenNotes } from '../../runtime/redrive/redriven-notes.js';
import { type PlannedTask, plannedTasks } from '../../runtime/topics/planned-tasks.js';
import { sourcePartitions } from '../../runtime/topics/sources.js';
import type { TopicCounts } from '../../runtime/topics/topics.js';
import { CacheBudget } from '../../state/cache/cache-budget.js';
import type { PastSerdes } from './past-serdes.js';
import { RerunGlobals } from './rerun-globals.js';
import type { RerunStorage } from './rerun-storage.js';
import type { RunStart } from './run-start.js';
import { flowOf } from './task-order.js';
import { WatchedTask } from './watched-task.js';
import type { Captured, RunWatcher, Silenced, SliceCause } from './watcher.js';

export interface RerunOptions {
  readonly topology: Topology;
  readonly serdes: PastSerdes;
  readonly config: EngineConfig;
  readonly topics: TopicCounts;
  readonly storage: RerunStorage;
  readonly watcher?: RunWatcher | undefined;
  /** Called at once for each row that is written. */
  readonly changed?: ((store: string, key: unknown) => void) | undefined;
  readonly start?: RunStart | undefined;
  /** The letters that the application was given again. Default: none. */
  readonly notes?: RedrivenNotes | undefined;
  /** True if the slice has only topics that this topology reads. */
  readonly alone?: boolean;
  /** Receives the outputs of the topology, in the order of causes. */
  readonly capture?: ((captured: readonly Captured[]) => void | Promise<void>) | undefined;
  /** Receives the skipped calls to the outside world, in the order of causes. */
  readonly silenced?: ((silenced: readonly Silenced[]) => void | Promise<void>) | undefined;
}

/** The offset of a record that has none yet. */
const UNNUMBERED = -1;

/**
 * Runs a topology over records of the past: all its tasks run in this process, on their own stores, and
 * nothing leaves it.
 *
 * Records come window by window, in the order of the slice. Sub-topologies process a window one after the
 * other; those that write a repartition run before those that read it. Each task processes its source
 * records, and what earlier sub-topologies made from the window, in the order of the records that caused
 * them. For any window size this is the order of a run that takes every record through the whole topology
 * before the next. (If sub-topologies form a cycle, a window is one record.)
 */
export class Rerun {
  readonly metrics = new Metrics();
  readonly #options: RerunOptions;
  readonly #budget: CacheBudget;
  #globals: RerunGlobals | undefined;
  /** Tasks by sub-topology, in the order in which they run. */
  #order: readonly (readonly WatchedTask[])[] = [];
  readonly #inputs = new Map<string, (WatchedTask | undefined)[]>();
  /** Next offset of repartition topics, by partition. */
  readonly #repartitions = new Map<string, number[]>();
  #cyclic = false;
  /** The task that reads the whole slice, if there is one. */
  #single: WatchedTask | undefined;
  #records: number;
  #captured: Captured[] = [];
  #silenced: Silenced[] = [];

  private constructor(options: RerunOptions) {
    this.#options = options;
    this.#budget = new CacheBudget(options.config.cacheBytes);
    this.#records = options.start?.records ?? 0;
    for (const step of options.start?.leftOut ?? []) this.metrics.leftOut.add(step);
  }

  static async open(options: RerunOptions): Promise<Rerun> {
    const run = new Rerun(options);
    try {
      await run.#open();
      return run;
    } catch (error) {
      await run.close().catch(() => undefined);
      throw error;
    }
  }

  get tasks(): readonly WatchedTask[] {
    return this.#order.flat();
  }

  get globals(): RerunGlobals | undefined {
    return this.#globals;
  }

  /** Number of records processed, from the beginning of the history. */
  get records(): number {
    return this.#records;
  }

  /** What a run needs, besides the databases, to continue from here. */
  get start(): RunStart {
    const repartitions: Record<string, number> = {};
    for (const [topic, offsets] of this.#repartitions)
      for (const [partition, offset] of offsets.entries())
        if (offset) setOwn(repartitions, `${topic}:${partition}`, offset);
    const streamTimes = Object.fromEntries(
      this.tasks.flatMap(({ id, streamTime }) => (Number.isFinite(streamTime) ? [[id, streamTime]] : [])),
    );
    const jumps = Object.fromEntries(
      this.tasks.flatMap((task) => (Object.keys(task.jumps).length > 0 ? [[task.id, task.jumps]] : [])),
    );
    return { records: this.#records, streamTimes, jumps, repartitions, leftOut: [...this.metrics.leftOut].sort() };
  }

  /**
   * Processes the next records of the slice through the topology; when it resolves, all their effects are
   * done.
   */
  async process(records: readonly BrokerRecord[]): Promise<void> {
    const size = this.#cyclic ? 1 : records.length;
    for (let from = 0; from < records.length; ) {
      const to = await this.#window(records, from, Math.min(records.length, from + size));
      this.#records += to - from;
      from = to;
    }
  }

  /** Writes all changes to the databases. */
  async commit(): Promise<void> {
    for (const task of this.tasks) await task.commit();
  }

  /**
   * Commits and closes every task, and opens it again, as an application does that is stopped and started.
   */
  async restart(): Promise<void> {
    await this.commit();
    for (const task of this.tasks) await task.reopen();
  }

  async close(): Promise<void> {
    const results = await Promise.allSettled([...this.tasks.map((task) => task.close()), this.#globals?.close()]);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async #open(): Promise<void> {
    const { topology, serdes, config, topics, storage, start } = this.#options;
    this.#globals = await RerunGlobals.open({
      topology,
      serdes,
      config,
      storage,
      budget: this.#budget,
      metrics: this.metrics,
    });
    const places = new SerdeBindings(serdes);
    const planned = [...plannedTasks(topology, config.version.prefix, topics, places.bind).values()];
    await places.open();
    const { order, cyclic } = flowOf(topology.graph);
    this.#cyclic = cyclic;
    const opening = order.map((subTopology) => planned.filter((task) => task.subTopology === subTopology));
    // In parallel: each opens a database, which is mostly waiting.
    const opened = await Promise.allSettled(opening.flat().map((task) => this.#openTask(task)));
    const tasks = new Map(
      opened.flatMap((result, i) => (result.status === 'fulfilled' ? [[opening.flat()[i]?.id, result.value]] : [])),
    );
    this.#order = opening.map((some) => some.flatMap(({ id }) => tasks.get(id) ?? []));
    for (const result of opened) if (result.status === 'rejected') throw result.reason;
    for (const task of this.tasks) {
      for (const source of sourcePartitions(task.subTopology, config.version.prefix, task.partition, topics)) {
        const inputs = this.#inputs.get(source.topic) ?? [];
        inputs[source.partition] = task;
        this.#inputs.set(source.topic, inputs);
      }
      for (const name of task.subTopology.repartitions)
        this.#repartitions.set(repartitionTopic(config.version.prefix, name), []);
    }
    const readers = new Set(
      [...this.#inputs].flatMap(([topic, inputs]) => (this.#repartitions.has(topic) ? [] : inputs)),
    );
    // A comparison may pass records of topics that this version does not read.
    if (readers.size === 1 && !this.#globals && this.#options.alone) this.#single = [...readers][0];
    for (const [name, offset] of Object.entries(start?.repartitions ?? {})) {
      const at = name.lastIndexOf(':');
      const offsets = this.#repartitions.get(name.slice(0, at));
      if (offsets) offsets[Number(name.slice(at + 1))] = offset;
    }
  }

  #openTask({ id, subTopology, partition, stores }: PlannedTask): Promise<WatchedTask> {
    const { topology, serdes, config, topics, storage, watcher, changed, start, notes } = this.#options;
    return WatchedTask.open({
      notes,
      topology,
      serdes,
      subTopology,
      partition,
      stores,
      config,
      storage,
      topics,
      budget: this.#budget,
      metrics: this.metrics,
      globals: this.#globals?.views() ?? new Map(),
      streamTime: ownOf(start?.streamTimes, id) ?? Number.NEGATIVE_INFINITY,
      jumps: ownOf(start?.jumps, id) ?? {},
      watcher,
      changed,
    });
  }

  /**
   * Runs records from one index up to another, or up to a change of a global table; returns the index it
   * reached.
   */
  async #window(records: readonly BrokerRecord[], from: number, to: number): Promise<number> {
    const globals = this.#globals;
    let end = to;
    if (globals) {
      end = from;
      while (end < to && globals.reads((records[end] as BrokerRecord).topic)) end++;
      if (end > from) await globals.apply(records.slice(from, end));
      else while (end < to && !globals.reads((records[end] as BrokerRecord).topic)) end++;
    }
    if (this.#single)
      this.#single.inbox.addWindow(
        from === 0 && end === records.length ? records : records.slice(from, end),
        this.#records,
      );
    else {
      for (let i = from; i < end; i++) {
        const record = records[i] as BrokerRecord;
        this.#inputs.get(record.topic)?.[record.partition]?.inbox.add(record, this.#records + i - from, record);
      }
    }
    do {
      for (const tasks of this.#order) await this.#runAll(tasks);
    } while (this.#cyclic && this.tasks.some(({ inbox }) => !inbox.isEmpty));
    await this.#deliver();
    for (const task of this.tasks) {
      if (task.commitDue) await task.commit();
      else task.release();
    }
    return end;
  }

  /**
   * Runs tasks of one sub-topology, which are independent of each other; then forwards their outputs in task
   * order.
   */
  async #runAll(tasks: readonly WatchedTask[]): Promise<void> {
    const busy = tasks.filter(({ inbox }) => !inbox.isEmpty);
    const number = (records: readonly BrokerRecord[]): void => this.#number(records);
    if (busy.length === 1 || this.#options.watcher) for (const task of busy) await task.runInbox(number);
    else {
      const results = await Promise.allSettled(busy.map((task) => task.runInbox(number)));
      for (const result of results) if (result.status === 'rejected') throw result.reason;
    }
    for (const task of busy) {
      this.#silenced.push(...task.takeSilenced());
      for (const sent of task.takeSent()) {
        const { record, at } = sent;
        if (!this.#repartitions.has(record.topic)) {
          this.#captured.push(sent);
          continue;
        }
        const target = this.#inputs.get(record.topic)?.[record.partition];
        target?.inbox.add({ ...record, offset: UNNUMBERED }, at.index, at.source);
      }
    }
  }

  /** Gives records of repartition topics their offsets, now that their order is known. */
  #number(records: readonly BrokerRecord[]): void {
    for (const record of records) {
      if (record.offset !== UNNUMBERED) continue;
      const offsets = this.#repartitions.get(record.topic) as number[];
      const offset = offsets[record.partition] ?? 0;
      offsets[record.partition] = offset + 1;
      (record as { offset: number }).offset = offset;
    }
  }

  async #deliver(): Promise<void> {
    const { capture, silenced: left } = this.#options;
    const byCause = (a: { readonly at: SliceCause }, b: { readonly at: SliceCause }): number => a.at.index - b.at.index;
    const captured = this.#captured.sort(byCause);
    const silenced = this.#silenced.sort(byCause);
    this.#captured = [];
    this.#silenced = [];
    if (captured.length > 0) await capture?.(captured);
    if (silenced.length > 0) await left?.(silenced);
  }
}
