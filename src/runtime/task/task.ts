import type { BrokerRecord, PartitionOffset } from '../../broker/port.js';
import type { SubTopology } from '../../graph/graph.js';
import { taskId, timerTopics } from '../../graph/naming.js';
import type { TaskState } from '../../state/store/task-state.js';
import { LastBatch } from '../batch/last-batch.js';
import { commit } from '../commit/commit.js';
import { CommitDue } from '../commit/commit-due.js';
import { CommitTurns } from '../commit/commit-turns.js';
import { RepartitionPurge } from '../commit/purge.js';
import { SinceCommit } from '../commit/since-commit.js';
import { closeAll } from '../config/close-all.js';
import { stopped } from '../config/stopped.js';
import type { Outside } from '../inputs/outside.js';
import type { Intake } from '../poll/intake.js';
import { RestoreWatch } from '../restore/restore-watch.js';
import type { TaskOptions } from './task-options.js';
import { type OpenedParts, openParts, type TaskParts } from './task-parts.js';
import { Phase, type TaskPhase } from './task-phase.js';

/** One sub-topology on one partition: its state, its pipeline, its position in the source topics. */
export class Task {
  readonly id: string;
  readonly partition: number;
  readonly subTopology: SubTopology;
  readonly #options: TaskOptions;
  readonly #phase = new Phase();
  #parts!: TaskParts;
  readonly #opened: OpenedParts = {};
  readonly #purge: RepartitionPurge;
  readonly #restore: RestoreWatch;
  readonly #since = new SinceCommit();
  readonly #timers: ReadonlySet<string>;
  readonly #due: CommitDue;
  readonly #lastBatch: LastBatch;
  #fatal: Error | undefined;
  #opening: Promise<void> | undefined;
  readonly #commits = new CommitTurns();
  /** Stops a restore when the task is closed. */
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  private constructor(options: TaskOptions) {
    this.#options = options;
    this.id = taskId(options.subTopology.id, options.partition);
    this.partition = options.partition;
    this.subTopology = options.subTopology;
    this.#restore = new RestoreWatch(this.id, options.ports.clock, options.onRestore);
    this.#due = new CommitDue(options);
    this.#timers = timerTopics(options.subTopology, options.config.version.prefix);
    this.#lastBatch = new LastBatch(options.ports.clock);
    this.#purge = RepartitionPurge.of(options);
  }

  /**
   * Opens the state and restores it to the committed offsets; the task then reads on from there. If anything
   * fails, what was opened is closed again.
   */
  static async open(options: TaskOptions, onCreated: (task: Task) => void): Promise<Task> {
    const task = new Task(options);
    onCreated(task);
    try {
      task.#opening = task.#open();
      await task.#opening;
      return task;
    } catch (error) {
      await task.close().catch(() => undefined);
      throw error;
    }
  }

  get phase(): TaskPhase {
    return this.#phase.now;
  }

  get restoreLeft(): number {
    return this.#restore.left;
  }

  /** Records that are known to be in the log and were not taken. */
  get unread(): number {
    return this.#phase.now === 'running' ? this.#parts.intake.lag : 0;
  }

  /** {@link unread} without the records that are held back for other tasks. */
  get left(): number {
    return this.#phase.now === 'running' ? this.#parts.intake.left : 0;
  }

  /** Records that were not taken, plus those that were taken and not committed. */
  get lag(): number {
    return this.unread + this.#since.taken;
  }

  /**
   * See {@link Intake.isWaiting}. While it is true, a call of {@link processBatch} that takes nothing is not
   * the last one.
   */
  get isWaiting(): boolean {
    return this.#phase.now === 'running' && this.#parts.intake.isWaiting;
  }

  /** See {@link Intake.pace}. */
  get pace(): Intake['pace'] {
    return this.#phase.now === 'running' ? this.#parts.intake.pace : 'own';
  }

  /** What it does outside of itself, such as calls. Undefined: nothing, or it does not run yet. */
  get outside(): Outside | undefined {
    return this.#phase.now === 'running' ? this.#parts.outside : undefined;
  }

  /** Records processed and not committed. */
  get uncommitted(): number {
    return this.#since.processed;
  }

  /** What a stop waits for: a batch that has not finished. Undefined: there is none. */
  get unfinished(): string | undefined {
    return this.#since.inBatch ? `task ${this.id}, ${this.#lastBatch.text}` : undefined;
  }

  get streamTime(): number {
    return this.#parts.runner.recordContext.streamTime;
  }

  get positions(): readonly PartitionOffset[] {
    return this.#parts.intake.positions;
  }

  /** Without those in the topics of timers, which never end. */
  get positionsOfInputs(): readonly PartitionOffset[] {
    return this.positions.filter(({ topic }) => !this.#timers.has(topic));
  }

  get commitDue(): boolean {
    if (this.#due.isNow(this.uncommitted) || this.#parts.intake.isAwaited) return true;
    if (this.#parts.outside?.isAwaited) return true;
    return this.left === 0 && this.#opened.state?.postponed === true;
  }

  /** Whether a commit is due regardless of the time: the task must process no more records before it. */
  get isFull(): boolean {
    return this.#parts.outside?.isAwaited === true || this.#due.isFull(this.uncommitted);
  }

  /** See {@link LastBatch}. */
  get lastBatch(): LastBatch['facts'] & { readonly task: string } {
    return { task: this.id, ...this.#lastBatch.facts };
  }

  /** Milliseconds until the task has work without a new record: a commit, or an alarm of the wall clock. */
  get dueInMs(): number {
    const at = this.#parts.outside?.dueAt ?? Number.POSITIVE_INFINITY;
    return Math.max(0, Math.min(this.#due.inMs(this.uncommitted), at - this.#options.ports.clock.now()));
  }

  /** The stores, for reading only. */
  get state(): TaskState | undefined {
    return this.#opened.state;
  }

  /**
   * Processes the next batch, waiting up to `maxWaitMs` for its first record. Returns the number of records
   * processed.
   */
  async processBatch(maxWaitMs: number): Promise<number> {
    await this.#parts.log?.check();
    const { config, ports, metrics } = this.#options;
    // A call may have ended when nothing waited that could be woken.
    const waitMs = this.#parts.outside?.isAwaited ? 0 : maxWaitMs;
    const records = await this.#parts.intake.take(config.batchRecords, waitMs);
    if (records.length > 0) {
      metrics.recordsIn += records.length;
      this.#parts.reached?.see(records);
      this.#since.beginBatch(records.length, this.#inputsIn(records));
      this.#lastBatch.began(records);
      const sending = this.#parts.output.send(await this.#parts.runner.run(records, this.#lastBatch));
      this.#lastBatch.ended();
      await sending;
      this.#since.endBatch();
    }
    this.#parts.outside?.ring(ports.clock.now());
    if (this.#fatal) throw this.#fatal;
    this.#commits.check();
    for (const view of this.#parts.globals.values()) view.release();
    this.#opened.state?.evict();
    return records.length;
  }

  /**
   * Commits what was processed; commit.ts has the steps. If it throws, the task must be closed. With `ahead`
   * it resolves before step 4. That step then runs while the next batches do, or a later commit does it.
   */
  async commit({ ahead = false } = {}): Promise<void> {
    do {
      await this.#commits.one(() => this.#commit(ahead));
      if (ahead) return;
      await this.#commits.applied();
      // This call may have shared a commit with a caller that used `ahead`, which left step 4 undone.
    } while (this.#opened.state?.postponed);
  }

  async #commit(ahead: boolean): Promise<void> {
    // Also checked when there is nothing to commit: a late emission may belong to a record of the previous
    // commit.
    if (this.#fatal) throw this.#fatal;
    if (this.#since.inBatch) throw stopped('a batch is not at its end', `task ${this.id}`);
    const { outside, intake, reached } = this.#parts;
    const isIdle = this.uncommitted === 0 && !outside?.isAwaited;
    if (isIdle && (ahead || !this.#due.mustRefresh(this.#opened.state?.checkpoint)))
      return ahead ? undefined : this.#opened.state?.applyPostponed();
    const { config, ports, membership, metrics } = this.#options;
    const noted = outside?.take(this.partition, [...intake.positions, ...(reached?.positions ?? [])]) ?? [];
    const marked = this.#parts.offsets.next(intake.positions);
    const positions = reached?.withMarks(marked) ?? marked;
    const { logged, applied } = await commit({
      partition: this.partition,
      prefix: config.version.prefix,
      guarantee: config.guarantee,
      membership,
      state: this.#opened.state,
      noted,
      positions,
      before: this.#parts.offsets.last,
      streamTime: this.#parts.runner.recordContext.streamTime,
      now: ports.clock.now(),
      log: this.#parts.log,
      mayPostpone: (rows) => ahead && !this.#due.apply.isNow(rows),
      output: this.#parts.output,
      afterStep: (step) => ports.afterStep?.(step, this.id),
    });
    this.#commits.applying(applied);
    this.#parts.offsets.committed(positions);
    metrics.changelogRecords += logged;
    this.#parts.output.committed();
    this.#since.committed();
    intake.committed(positions);
    intake.expect(this.#parts.output.endsOf(noted));
    this.#due.committed(this.#opened.state?.postponed);
    metrics.commits++;
    this.#opened.state?.evict();
    outside?.committed(ports.clock.now());
    await this.#purge.committed(positions);
  }

  /** How many of the records are no firings of timers. */
  #inputsIn(records: readonly BrokerRecord[]): number {
    if (this.#timers.size === 0) return records.length;
    return records.reduce((sum, { topic }) => (this.#timers.has(topic) ? sum : sum + 1), 0);
  }

  /** Makes a commit due at the current positions, even if nothing was processed. */
  touch(): void {
    this.#since.touch();
  }

  /** Interrupts a batch that is waiting for its first record. */
  wakeup(): void {
    if (this.#phase.now === 'running') this.#parts.intake.wakeup();
  }

  /** Releases everything without a commit. Further calls wait for the first. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#phase.enter('closed', this.id);
    this.#closing.abort();
    this.#opened.outside?.works.close();
    await this.#opening?.catch(() => undefined);
    // Everything is closed, even if closing one part throws: a directory must not stay locked because a
    // connection broke.
    const { intake, output, state } = this.#opened;
    await closeAll(intake?.close(), output?.writer.close(), state?.close());
  }

  async #open(): Promise<void> {
    const signal = AbortSignal.any([this.#options.signal, this.#closing.signal]);
    try {
      this.#parts = await openParts(this.#options, {
        task: this,
        opened: this.#opened,
        signal,
        onProgress: (left, restored) => this.#restore.progress(left, restored),
        onFatal: (error) => {
          this.#fatal ??= error;
          this.#options.onFatal(error);
        },
      });
      this.#since.loggedAgain(this.#parts.loggedAgain);
      this.#phase.enter('running', this.id);
      this.#restore.ended(signal.aborted ? 'suspended' : 'ended');
    } catch (error) {
      this.#restore.ended('suspended');
      throw error;
    }
  }
}
