import type { PartitionOffset } from '../broker/port.js';
import type { SubTopology } from '../graph/graph.js';
import { taskId } from '../graph/naming.js';
import type { TaskState } from '../state/task-state.js';
import { closeAll } from './close-all.js';
import { commit } from './commit.js';
import { CommitDue } from './commit-due.js';
import { Commits } from './commits.js';
import type { Intake } from './intake.js';
import { LastBatch } from './last-batch.js';
import { RepartitionPurge } from './purge.js';
import { SinceCommit } from './since-commit.js';
import { stopped } from './stopped.js';
import type { TaskOptions } from './task-options.js';
import { type OpenedParts, openParts, type TaskParts } from './task-parts.js';
import { Phase, type TaskPhase } from './task-phase.js';

/** One sub-topology on one partition: its state, its pipeline, its place in the source topics. */
export class Task {
  readonly id: string;
  readonly partition: number;
  readonly subTopology: SubTopology;
  readonly #options: TaskOptions;
  readonly #phase = new Phase();
  #parts!: TaskParts;
  readonly #opened: OpenedParts = {};
  readonly #purge: RepartitionPurge;
  #restoreLeft = 0;
  readonly #since = new SinceCommit();
  readonly #due: CommitDue;
  readonly #lastBatch: LastBatch;
  #fatal: Error | undefined;
  #opening: Promise<void> | undefined;
  readonly #commits = new Commits();
  /** Stops a restore that nobody waits for any more. */
  readonly #closing = new AbortController();

  private constructor(options: TaskOptions) {
    this.#options = options;
    this.id = taskId(options.subTopology.id, options.partition);
    this.partition = options.partition;
    this.subTopology = options.subTopology;
    this.#due = new CommitDue(options);
    this.#lastBatch = new LastBatch(options.ports.clock);
    this.#purge = RepartitionPurge.of(options);
  }

  /**
   * Opens the state, restores it to the committed offsets and stands ready to read on from there. What was
   * opened is closed again if anything fails.
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
    return this.#restoreLeft;
  }

  /** Records that are known to be in the log, and not taken. */
  get unread(): number {
    return this.#phase.now === 'running' ? this.#parts.intake.lag : 0;
  }

  /** Those of them that do not wait for others. */
  get left(): number {
    return this.#phase.now === 'running' ? this.#parts.intake.left : 0;
  }

  /** Records that are not taken, and those that are and are not committed. */
  get lag(): number {
    return this.unread + this.#since.taken;
  }

  /** See {@link Intake.isWaiting}: a step that takes nothing is then not the last. */
  get isWaiting(): boolean {
    return this.#phase.now === 'running' && this.#parts.intake.isWaiting;
  }

  /** See {@link Intake.pace}. */
  get pace(): Intake['pace'] {
    return this.#phase.now === 'running' ? this.#parts.intake.pace : 'own';
  }

  /** Records processed, and not committed. */
  get uncommitted(): number {
    return this.#since.processed;
  }

  /** What a stop waits for: a batch that is not at its end. Undefined: none is. */
  get unfinished(): string | undefined {
    return this.#since.inBatch ? `task ${this.id}, ${this.#lastBatch.text}` : undefined;
  }

  get streamTime(): number {
    return this.#parts.runner.recordContext.streamTime;
  }

  get positions(): readonly PartitionOffset[] {
    return this.#parts.intake.positions;
  }

  get commitDue(): boolean {
    if (this.#due.isNow(this.uncommitted) || this.#parts.intake.isAwaited) return true;
    return this.left === 0 && this.#opened.state?.postponed === true;
  }

  /** Whether more must not wait for a commit, whatever the time is. */
  get isFull(): boolean {
    return this.#due.isFull(this.uncommitted);
  }

  /** See {@link LastBatch}. */
  get lastBatch(): LastBatch['facts'] & { readonly task: string } {
    return { task: this.id, ...this.#lastBatch.facts };
  }

  /** Milliseconds until something is to be done without a record: a commit or a wall-clock timer. */
  get dueInMs(): number {
    const timer = Math.min(...this.#parts.runner.stages.map((stage) => stage.timers.nextDue('wall')));
    return Math.max(0, Math.min(this.#due.inMs(this.uncommitted), timer - this.#options.ports.clock.now()));
  }

  /** The rows of a store, for looking. */
  get state(): TaskState | undefined {
    return this.#opened.state;
  }

  /**
   * Processes the next batch, waiting up to `maxWaitMs` for its first record. Returns the number of records
   * processed, plus one if a wall-clock timer fired: it may have produced records for other tasks.
   */
  async processBatch(maxWaitMs: number): Promise<number> {
    await this.#parts.log?.check();
    const { config, ports, metrics } = this.#options;
    const records = await this.#parts.intake.take(config.batchRecords, maxWaitMs);
    if (records.length > 0) {
      metrics.recordsIn += records.length;
      this.#since.beginBatch(records.length);
      this.#lastBatch.began(records);
      const sending = this.#parts.output.send(await this.#parts.runner.run(records, this.#lastBatch));
      this.#lastBatch.ended();
      await sending;
      this.#since.endBatch();
    }
    const now = ports.clock.now();
    const timersDue = this.#parts.runner.stages.some((stage) => stage.timers.nextDue('wall') <= now);
    if (timersDue) {
      this.#since.beginTimers();
      await this.#parts.output.send(await this.#parts.runner.runWallTimers(now));
      this.#since.endBatch();
    }
    if (this.#fatal) throw this.#fatal;
    this.#commits.check();
    for (const view of this.#parts.globals.values()) view.release();
    this.#opened.state?.evict();
    return records.length + (timersDue ? 1 : 0);
  }

  /**
   * Commits what was processed: see commit.ts for the steps. If it throws, the task must be closed. `ahead`:
   * resolves before the last step, which goes on beside the next batches, or waits for one of the next
   * commits.
   */
  async commit({ ahead = false } = {}): Promise<void> {
    do {
      await this.#commits.one(() => this.#commit(ahead));
      if (ahead) return;
      await this.#commits.applied();
      // It was made for somebody else, who is ahead.
    } while (this.#opened.state?.postponed);
  }

  async #commit(ahead: boolean): Promise<void> {
    // Also when there is nothing to commit: what was emitted late may belong to a record of the commit
    // before.
    if (this.#fatal) throw this.#fatal;
    if (this.#since.inBatch) throw stopped('a batch is not at its end', `task ${this.id}`);
    if (this.uncommitted === 0 && (ahead || !this.#due.mustRefresh(this.#opened.state?.checkpoint)))
      return ahead ? undefined : this.#opened.state?.applyPostponed();
    const { config, ports, membership, metrics } = this.#options;
    const positions = this.#parts.offsets.next(this.#parts.intake.positions);
    const { logged, applied } = await commit({
      partition: this.partition,
      prefix: config.version.prefix,
      guarantee: config.guarantee,
      membership,
      state: this.#opened.state,
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
    this.#parts.intake.committed(positions);
    this.#due.committed(this.#opened.state?.postponed);
    metrics.commits++;
    this.#opened.state?.evict();
    await this.#purge.committed(positions);
  }

  /** Lets it be committed where it stands, when a commit is due, also if it has processed nothing. */
  touch(): void {
    this.#since.touch();
  }

  /** Interrupts a batch that waits for its first record. */
  wakeup(): void {
    if (this.#phase.now === 'running') this.#parts.intake.wakeup();
  }

  /** Gives everything back, without a commit. Calling it again does nothing. */
  async close(): Promise<void> {
    if (this.#phase.now === 'closed') return;
    this.#phase.enter('closed', this.id);
    this.#closing.abort();
    await this.#opening?.catch(() => undefined);
    // Each in turn, whatever the one before threw: a directory must not stay locked because a connection
    // broke.
    const { intake, output, state } = this.#opened;
    await closeAll(intake?.close(), output?.writer.close(), state?.close());
  }

  async #open(): Promise<void> {
    this.#parts = await openParts(this.#options, {
      task: this,
      opened: this.#opened,
      signal: AbortSignal.any([this.#options.signal, this.#closing.signal]),
      onProgress: (left) => {
        this.#restoreLeft = left;
      },
      onFatal: (error) => {
        this.#fatal ??= error;
        this.#options.onFatal(error);
      },
    });
    this.#since.loggedAgain(this.#parts.loggedAgain);
    this.#phase.enter('running', this.id);
  }
}
