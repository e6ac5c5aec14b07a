import type { ProducerRecord } from '../broker/port.js';
import type { AnyRecord } from '../dsl/processor.js';
import type { WaitingEffect } from '../runtime/effects.js';
import { Metrics } from '../runtime/metrics.js';
import type { RunObserver } from '../runtime/observer.js';
import type { TaskState } from '../state/task-state.js';
import { Inbox, NOTHING_WAITS, type Waiting } from './inbox.js';
import type { StoreObserver, Write } from './observed-store.js';
import { ShadowTask, type ShadowTaskOptions } from './shadow-task.js';
import type { Captured, CausePlace, RunWatcher, Silenced, Step } from './watcher.js';

export interface WatchedTaskOptions
  extends Omit<ShadowTaskOptions, 'observer' | 'storeObserver' | 'silenced' | 'metrics'> {
  readonly metrics: Metrics;
  readonly watcher: RunWatcher | undefined;
}

/** A task of a shadow run with what waits for it; tells the watcher which record of the slice is behind each thing that happens. */
export class WatchedTask implements RunObserver {
  readonly inbox = new Inbox();
  readonly #options: WatchedTaskOptions;
  #id = '';
  readonly #watcher: RunWatcher | undefined;
  readonly #taskOptions: ShadowTaskOptions;
  #task!: ShadowTask;
  #batch: Waiting = NOTHING_WAITS;
  /** The last record of the slice that has reached the task: what is written at a commit is put down to it. */
  #last: CausePlace | undefined;
  #sent: Captured[] = [];
  #silenced: Silenced[] = [];
  /** Writes of rows that nobody had read before, and all that follow them in the batch: what was there is looked up after it. */
  readonly #later: { readonly write: Write; readonly at: CausePlace; readonly atCommit: boolean }[] = [];

  private constructor(options: WatchedTaskOptions) {
    this.#options = options;
    const { watcher } = options;
    this.#watcher = watcher;
    const seesStores = watcher?.step || watcher?.wrote || watcher?.pass;
    this.#taskOptions = {
      ...options,
      metrics: watcher?.step
        ? new CountingMetrics(options.metrics, (node, name, by) => this.#counted(node, name, by))
        : options.metrics,
      observer: this,
      silenced: (call) => this.#silence(call),
      storeObserver: seesStores ? this.#storeObserver() : undefined,
    };
  }

  static async open(options: WatchedTaskOptions): Promise<WatchedTask> {
    const task = new WatchedTask(options);
    task.#task = await ShadowTask.open(task.#taskOptions);
    task.#id = task.#task.id;
    return task;
  }

  get id(): string {
    return this.#task.id;
  }

  get partition(): number {
    return this.#task.partition;
  }

  get subTopology(): ShadowTask['subTopology'] {
    return this.#task.subTopology;
  }

  get state(): TaskState | undefined {
    return this.#task.state;
  }

  get streamTime(): number {
    return this.#task.streamTime;
  }

  get jumps(): ShadowTask['jumps'] {
    return this.#task.jumps;
  }

  get commitDue(): boolean {
    return this.#task.commitDue;
  }

  /** Takes what waits through the task; `number` is given the records first, in their order. */
  async runInbox(number: (records: Waiting['records']) => void): Promise<void> {
    this.#batch = this.inbox.take();
    number(this.#batch.records);
    await this.#task.run(this.#batch.records);
    this.#last = this.#at(this.#batch.records.length - 1);
    this.#batch = NOTHING_WAITS;
    await this.#lookUp();
  }

  /** What the task has sent since the last call. */
  takeSent(): readonly Captured[] {
    const sent = this.#sent;
    this.#sent = [];
    return sent;
  }

  /** Calls to the outside world that were left out since the last call. */
  takeSilenced(): readonly Silenced[] {
    const silenced = this.#silenced;
    this.#silenced = [];
    return silenced;
  }

  async commit(): Promise<void> {
    await this.#task.commit(() => this.#lookUp());
  }

  release(): void {
    this.#task.release();
  }

  async reopen(): Promise<void> {
    const { streamTime, jumps } = this.#task;
    await this.#task.close();
    this.#task = await ShadowTask.open({ ...this.#taskOptions, streamTime, jumps });
  }

  close(): Promise<void> {
    return this.#task.close();
  }

  entered(node: string, record: AnyRecord, index: number): void {
    this.#watcher?.pass?.(record.value);
    this.#watcher?.step?.({ kind: 'in', node, record }, this.#at(index));
  }

  arrived(node: string, record: AnyRecord, index: number): void {
    this.#watcher?.step?.({ kind: 'arrive', node, record }, this.#at(index));
  }

  processing(node: string, record: AnyRecord, index: number): void {
    this.#watcher?.step?.({ kind: 'process', node, record }, this.#at(index));
  }

  emitted(node: string, record: AnyRecord, index: number): void {
    this.#watcher?.step?.({ kind: 'emit', node, record }, this.#at(index));
  }

  produced(node: string, record: ProducerRecord, index: number): void {
    const at = this.#at(index);
    this.#sent.push({ node, record, at });
    this.#watcher?.step?.({ kind: 'sent', node, record }, at);
  }

  #at(index: number): CausePlace {
    const batch = this.#batch;
    const input = batch.records[index];
    if (input === undefined) return this.#last as CausePlace;
    return { index: batch.indexOf(index), source: batch.sourceOf(index), input, task: this.#id };
  }

  #silence({ node, idempotencyKey, record, place }: WaitingEffect): void {
    const at = this.#at(place.index);
    this.#silenced.push({ node, idempotencyKey, record, at });
    this.#watcher?.step?.({ kind: 'effect', node, idempotencyKey, record }, at);
  }

  /** The record at hand. */
  #now(): CausePlace {
    return this.#at(this.#task.index);
  }

  #step(step: Step): void {
    this.#watcher?.step?.(step, this.#now());
  }

  #counted(node: string, name: string, by: number): void {
    // Of calls there is a step of their own.
    if (this.#batch.records.length > 0 && name !== 'silenced') this.#step({ kind: 'count', node, name, by });
  }

  #storeObserver(): StoreObserver {
    const watcher = this.#watcher as RunWatcher;
    const wrote = (write: Write): void => {
      const { store, key } = write;
      const atCommit = this.#batch === NOTHING_WAITS;
      if (watcher.step && !atCommit) this.#step({ kind: 'write', ...write });
      if (!watcher.wrote || watcher.wants?.(store, key) === false) return;
      // Behind one that is told later so are all others: what happened first is told first.
      if (write.before === undefined || this.#later.length > 0) this.#later.push({ write, at: this.#now(), atCommit });
      else this.#tell(write, this.#now(), atCommit);
    };
    return {
      wrote,
      ...(watcher.step && { read: (read) => this.#step({ kind: 'read', ...read }) }),
      ...(watcher.pass && { pass: (value) => watcher.pass?.(value) }),
    };
  }

  #tell(write: Write, at: CausePlace, atCommit: boolean): void {
    const { partition } = this.#options;
    this.#watcher?.wrote?.({ ...write, partition, before: write.before ?? null, at, atCommit });
  }

  async #lookUp(): Promise<void> {
    for (const { write, at, atCommit } of this.#later.splice(0))
      this.#tell(write.before === undefined ? { ...write, before: await this.#committed(write) } : write, at, atCommit);
  }

  #committed({ store, key }: Write): Promise<Write['before']> {
    return this.#task.committed(store, key);
  }
}

/** Counts for the run, and tells of it. */
class CountingMetrics extends Metrics {
  readonly #run: Metrics;
  readonly #told: (node: string, name: string, by: number) => void;

  constructor(run: Metrics, told: (node: string, name: string, by: number) => void) {
    super();
    this.#run = run;
    this.#told = told;
  }

  override count(node: string, name: string, by = 1): void {
    this.#run.count(node, name, by);
    this.#told(node, name, by);
  }
}
