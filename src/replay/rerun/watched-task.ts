import type { ProducerRecord } from '../../broker/port.js';
import type { AnyRecord } from '../../dsl/contract/processor.js';
import { Metrics } from '../../runtime/config/metrics.js';
import type { RunObserver } from '../../runtime/record/observer.js';
import type { WaitingEffect } from '../../runtime/send/effects.js';
import type { TaskState } from '../../state/store/task-state.js';
import { Inbox, NOTHING_WAITS, type WaitingRecords } from './inbox.js';
import type { StoreObserver } from './observed-store.js';
import { RerunTask, type RerunTaskOptions } from './rerun-task.js';
import { RowWrites, type SeenWrite } from './row-writes.js';
import type { Put } from './watched-store.js';
import type { Captured, ObservedStep, RunWatcher, Silenced, SliceCause } from './watcher.js';

export interface WatchedTaskOptions
  extends Omit<RerunTaskOptions, 'observer' | 'storeObserver' | 'silenced' | 'metrics'> {
  readonly metrics: Metrics;
  readonly watcher: RunWatcher | undefined;
  /** Called at once for each row that is written. */
  readonly changed?: ((store: string, key: unknown) => void) | undefined;
}

/**
 * A task of a rerun with its waiting records. Tells the watcher which record of the slice causes each event.
 */
export class WatchedTask implements RunObserver {
  readonly inbox = new Inbox();
  readonly #options: WatchedTaskOptions;
  #id = '';
  readonly #watcher: RunWatcher | undefined;
  readonly #taskOptions: RerunTaskOptions;
  #task!: RerunTask;
  #batch: WaitingRecords = NOTHING_WAITS;
  #sent: Captured[] = [];
  #silenced: Silenced[] = [];
  readonly #rows: RowWrites;
  /** Stores in which others keep the past of their rows. */
  readonly #pasts: ReadonlySet<string>;
  /** Writes to report to the watcher, in their order. */
  #wrote: { readonly write: SeenWrite; readonly at: SliceCause }[] = [];

  private constructor(options: WatchedTaskOptions) {
    this.#options = options;
    const { watcher } = options;
    this.#watcher = watcher;
    this.#rows = new RowWrites(options.stores, (store, key, time) => this.#task.committed(store, key, time));
    this.#pasts = new Set(options.stores.flatMap(({ history }) => history?.store ?? []));
    this.#taskOptions = {
      ...options,
      metrics: watcher?.step
        ? new CountingMetrics(options.metrics, (node, name, by) => this.#counted(node, name, by))
        : options.metrics,
      observer: this,
      silenced: (call) => this.#silence(call),
      storeObserver: this.#storeObserver(),
      ...((watcher?.step || watcher?.wrote || watcher?.pass || options.changed) && { put: (put) => this.#put(put) }),
    };
  }

  static async open(options: WatchedTaskOptions): Promise<WatchedTask> {
    const task = new WatchedTask(options);
    task.#task = await RerunTask.open(task.#taskOptions);
    task.#id = task.#task.id;
    return task;
  }

  get id(): string {
    return this.#task.id;
  }

  get partition(): number {
    return this.#task.partition;
  }

  get subTopology(): RerunTask['subTopology'] {
    return this.#task.subTopology;
  }

  get state(): TaskState | undefined {
    return this.#task.state;
  }

  get streamTime(): number {
    return this.#task.streamTime;
  }

  get jumps(): RerunTask['jumps'] {
    return this.#task.jumps;
  }

  get commitDue(): boolean {
    return this.#task.commitDue;
  }

  /** Processes the waiting records; `number` is called with them first, in their order. */
  async runInbox(number: (records: WaitingRecords['records']) => void): Promise<void> {
    this.#batch = this.inbox.take();
    number(this.#batch.records);
    await this.#task.run(this.#batch.records);
    this.#batch = NOTHING_WAITS;
    await this.#tell();
  }

  /** The outputs of the task since the last call. */
  takeSent(): readonly Captured[] {
    const sent = this.#sent;
    this.#sent = [];
    return sent;
  }

  /** Calls to the outside world that were skipped since the last call. */
  takeSilenced(): readonly Silenced[] {
    const silenced = this.#silenced;
    this.#silenced = [];
    return silenced;
  }

  async commit(): Promise<void> {
    if (await this.#task.commit()) this.#rows.applied();
  }

  release(): void {
    this.#task.release();
  }

  async reopen(): Promise<void> {
    const { streamTime, jumps } = this.#task;
    await this.#task.close();
    this.#rows.forget();
    this.#task = await RerunTask.open({ ...this.#taskOptions, streamTime, jumps });
  }

  close(): Promise<void> {
    return this.#task.close();
  }

  entered(node: string, record: AnyRecord, index: number): void {
    this.#watcher?.pass?.(record.value);
    this.#step({ kind: 'in', node, record }, index);
  }

  arrived(node: string, record: AnyRecord, index: number): void {
    this.#step({ kind: 'arrive', node, record }, index);
  }

  processing(node: string, record: AnyRecord, index: number): void {
    this.#step({ kind: 'process', node, record }, index);
  }

  emitted(node: string, record: AnyRecord, index: number): void {
    this.#step({ kind: 'emit', node, record }, index);
  }

  produced(node: string, record: ProducerRecord, index: number): void {
    this.#sent.push({ node, record, at: this.#at(index) as SliceCause });
    this.#step({ kind: 'sent', node, record }, index);
  }

  /**
   * Undefined while no record is processed: no record of the slice causes the reads and writes of a starting
   * processor.
   */
  #at(index: number): SliceCause | undefined {
    const batch = this.#batch;
    const input = batch.records[index];
    return input && { index: batch.indexOf(index), source: batch.sourceOf(index), input, task: this.#id };
  }

  #silence({ node, idempotencyKey, record, place }: WaitingEffect): void {
    this.#silenced.push({ node, idempotencyKey, record, at: this.#at(place.index) as SliceCause });
    this.#step({ kind: 'effect', node, idempotencyKey, record }, place.index);
  }

  /** The current record. */
  #now(): SliceCause | undefined {
    return this.#batch === NOTHING_WAITS ? undefined : this.#at(this.#task.index);
  }

  #step(step: ObservedStep, index?: number): void {
    const watcher = this.#watcher;
    if (!watcher?.step) return;
    const at = index === undefined ? this.#now() : this.#at(index);
    if (at) watcher.step(step, at);
  }

  #counted(node: string, name: string, by: number): void {
    // Calls are reported as `effect` steps.
    if (name !== 'silenced') this.#step({ kind: 'count', node, name, by });
  }

  #storeObserver(): StoreObserver | undefined {
    const watcher = this.#watcher;
    if (!watcher?.step && !watcher?.pass) return undefined;
    return {
      ...(watcher.step && { read: (read) => this.#step({ kind: 'read', ...read }) }),
      ...(watcher.pass && { pass: (value) => watcher.pass?.(value) }),
    };
  }

  #put(put: Put): void {
    const watcher = this.#watcher;
    this.#options.changed?.(put.store, put.key);
    if (!watcher) return;
    // A versioned store's writes to its past are internal, and no step of the record.
    const own = this.#pasts.has(put.store);
    if (!own) watcher.pass?.(put.value);
    const follow = watcher.follows?.(put.store, put.key) === true;
    const step = watcher.step && !own;
    if (!follow && !step) return;
    const write = this.#rows.see(put, follow);
    const at = this.#now();
    if (!at) return;
    if (step) watcher.step?.({ kind: 'write', write }, at);
    if (!follow || !watcher.wrote) return;
    write.want();
    this.#wrote.push({ write, at });
  }

  /** Reports the written rows, in the order of the writes. */
  async #tell(): Promise<void> {
    await this.#rows.settle();
    const { partition } = this.#options;
    for (const { write, at } of this.#wrote.splice(0))
      this.#watcher?.wrote?.({ ...(await write.read()), store: write.store, partition, at });
  }
}

/** Counts for the run, and reports each count. */
class CountingMetrics extends Metrics {
  readonly #run: Metrics;
  readonly #onCount: (node: string, name: string, by: number) => void;

  constructor(run: Metrics, onCount: (node: string, name: string, by: number) => void) {
    super(run.leftOut);
    this.#run = run;
    this.#onCount = onCount;
  }

  override count(node: string, name: string, by = 1): void {
    this.#run.count(node, name, by);
    this.#onCount(node, name, by);
  }
}
