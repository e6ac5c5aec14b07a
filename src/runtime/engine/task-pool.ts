import { isStreamsError, messageOf } from '../../model/errors.js';
import { type Clock, type Logger, sleep } from '../../model/ports.js';
import type { Role } from '../align/alignment.js';
import { isPassing, isTakenOver, pauses } from '../config/retry.js';
import { sharedAbort } from '../config/shared-abort.js';
import type { StopLimit } from '../config/stop-limit.js';
import { Fencings } from '../group/fencings.js';
import { openTask } from '../task/open-task.js';
import type { Task } from '../task/task.js';
import type { TaskOptions } from '../task/task-options.js';
import type { PlannedTask } from '../topics/planned-tasks.js';
import type { IdleWatch } from './idle-watch.js';

/** How long a task without work waits for records before it checks the rest. */
const IDLE_WAIT_MS = 1_000;

export interface TaskPoolOptions {
  readonly applicationId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly idle: IdleWatch;
  /** Tasks are opened, but have no loops: the caller advances them. */
  readonly manual: boolean;
  /** Aborted when the engine ends. */
  readonly signal: AbortSignal;
  readonly taskOptions: (wanted: PlannedTask) => TaskOptions;
  /** See {@link Alignment.roleOf}. */
  readonly roleOf: (wanted: PlannedTask) => Role;
  readonly onFatal: (error: Error) => void;
}

const TAKEN_OVER =
  'stopped without a last commit of a task that another process has taken over: its new owner does again what was not committed';

const leftOver = (unfinished: string): string =>
  `stopped before the end of a batch; the next start processes it again, with the calls that it has made: ${unfinished}`;

/**
 * The tasks of a process, each with a loop of its own. Some errors pass: the cluster does not answer, or
 * another owner has taken the task over. The task is then closed and opened again, after pauses that grow up
 * to ten seconds, as long as it is assigned. Any other error ends the engine.
 */
export class TaskPool {
  readonly #options: TaskPoolOptions;
  readonly #tasks = new Map<string, Task>();
  /** The role with which each task was opened. */
  readonly #roles = new Map<string, Role>();
  readonly #loops = new Map<string, Promise<void>>();
  readonly #opening = new Map<string, Promise<void>>();
  /** Tasks that may have processed something. */
  readonly #begun = new WeakSet<Task>();
  readonly #fencings: Fencings;
  #wanted: ReadonlyMap<string, PlannedTask> = new Map();
  /** Ends the pauses between attempts when the assignment changes. */
  #changed = sharedAbort();
  /** Between two generations of the group, nothing is processed. */
  #paused = true;

  constructor(options: TaskPoolOptions) {
    this.#options = options;
    this.#fencings = new Fencings(options.clock, options.applicationId);
  }

  get tasks(): readonly Task[] {
    return [...this.#tasks.values()];
  }

  /** Whether every assigned task runs. */
  get settled(): boolean {
    return !this.#paused && [...this.#wanted.keys()].every((id) => this.#tasks.get(id)?.phase === 'running');
  }

  find(id: string): Task | undefined {
    return this.#tasks.get(id);
  }

  wakeup(): void {
    for (const task of this.#tasks.values()) task.wakeup();
  }

  /**
   * Runs exactly these tasks: closes the others, opens new ones and lets the rest continue. Resolves when
   * they run, or when the assignment has changed again.
   *
   * @param inDoubt Tasks that may be refused when they open. Others that have processed nothing yet wait for
   * them. What they would write without a commit would be written again at each start.
   */
  async take(planned: ReadonlyMap<string, PlannedTask>, inDoubt: ReadonlySet<string> = new Set()): Promise<void> {
    this.#want(planned);
    this.#paused = false;
    const gone = [...this.#tasks].filter(([id]) => {
      const wanted = planned.get(id);
      // Topics have grown: a task that is now aligned with others is opened again.
      return !wanted || this.#roles.get(id) !== this.#options.roleOf(wanted);
    });
    for (const [id] of gone) this.#tasks.delete(id);
    for (const [, task] of gone) await this.#release(task);
    if (this.#wanted !== planned) return;
    const opening = new Map(Array.from(planned.keys(), (id) => [id, this.#opened(id)] as const));
    const judged = Promise.all([...opening].map(([id, opened]) => (inDoubt.has(id) ? opened : undefined)));
    // Whoever awaits the opening gets the same error.
    judged.catch(() => undefined);
    await Promise.all(Array.from(opening, ([id, opened]) => this.#begin(id, opened, judged)));
    if (this.#tasks.size === 0) await this.#options.idle.look();
  }

  /** Stops processing and commits, so that the group may move on. */
  async pause(): Promise<void> {
    await this.#halt();
    for (const task of this.#tasks.values()) {
      if (task.phase === 'running') await this.#guarded(task, () => task.commit());
    }
  }

  /** Closes every task without a commit: nothing can be committed any more. */
  async giveUp(): Promise<void> {
    this.#want(new Map());
    await this.#halt();
    const tasks = this.tasks;
    this.#tasks.clear();
    await Promise.all(tasks.map((task) => this.#release(task)));
  }

  /**
   * Closes every task. With `commit`, those that have finished their batch are committed first. Never waits
   * longer than the limit. Returns the errors. A commit is refused if another process has taken over the
   * task, as after a freeze. That is no error: the other process repeats what was not committed.
   */
  async end(commit: boolean, limit: StopLimit): Promise<readonly unknown[]> {
    const problems: unknown[] = [];
    await limit.within(this.#halt());
    const failed = (task: Task, problem: unknown): void => {
      if (isTakenOver(problem)) this.#options.logger.warn({ task: task.id }, `${TAKEN_OVER}: ${messageOf(problem)}`);
      else problems.push(problem);
    };
    const ending = Array.from(this.#tasks.values(), async (task) => {
      const { unfinished } = task;
      try {
        // Calls that run may still end, and be noted. A caller that advances the tasks has waited for them.
        if (commit && unfinished === undefined && !this.#options.manual) await task.outside?.quiet(limit.noCalls);
        if (unfinished !== undefined) this.#options.logger.warn({ task: task.id }, leftOver(unfinished));
        else if (commit && task.phase === 'running') await limit.within(task.commit());
      } catch (problem) {
        failed(task, problem);
      }
      await task.close().catch((problem: unknown) => failed(task, problem));
    });
    // A task that could not be opened must not keep others from closing: their directories would stay locked.
    await limit.within(Promise.allSettled([...ending, ...this.#opening.values()]));
    return problems;
  }

  #want(planned: ReadonlyMap<string, PlannedTask>): void {
    this.#wanted = planned;
    this.#changed.abort();
    this.#changed = sharedAbort();
  }

  /** Waits until no task is within a batch. */
  async #halt(): Promise<void> {
    this.#paused = true;
    this.wakeup();
    await Promise.all(this.#loops.values());
  }

  /**
   * Closes a task that is given up. Its next owner repeats what it had not committed, so an error has no
   * consequence.
   */
  #release(task: Task): Promise<void> {
    return task
      .close()
      .catch((error: Error) =>
        this.#options.logger.warn({ task: task.id }, `a task that was given up did not close: ${error.message}`),
      );
  }

  /** Opens a task and runs it. Resolves when it runs, or is no longer assigned. */
  async #ensure(id: string, pauseFirst = false): Promise<void> {
    await this.#opened(id, pauseFirst);
    if (!this.#options.manual) this.#loop(id);
  }

  /** Runs a task once it is open, and those in doubt are. A task that ran before waits for no other. */
  async #begin(id: string, opened: Promise<void>, judged: Promise<unknown>): Promise<void> {
    await opened;
    const task = this.#tasks.get(id);
    if (task && !this.#begun.has(task)) await judged;
    if (!this.#options.manual) this.#loop(id);
  }

  /** Opens a task unless it is open or opening. */
  #opened(id: string, pauseFirst = false): Promise<void> {
    let opening = this.#opening.get(id);
    if (!opening) {
      opening = this.#open(id, pauseFirst).finally(() => this.#opening.delete(id));
      this.#opening.set(id, opening);
    }
    return opening;
  }

  async #open(id: string, pauseFirst: boolean): Promise<void> {
    const { clock, logger, signal, taskOptions } = this.#options;
    const waits = pauses();
    const pause = (): Promise<void> =>
      sleep(clock, waits.next().value, AbortSignal.any([signal, this.#changed.signal]));
    if (pauseFirst) await pause();
    for (;;) {
      const wanted = this.#wanted.get(id);
      if (!wanted || signal.aborted || this.#tasks.get(id)?.phase === 'running') return;
      try {
        await openTask(taskOptions(wanted), {
          current: () => this.#tasks.get(id),
          opened: (task) => {
            this.#tasks.set(id, task);
            this.#roles.set(id, this.#options.roleOf(wanted));
          },
        });
      } catch (caught) {
        const error = this.#fencings.count(caught, id);
        if (!isPassing(error)) throw error;
        this.#tasks.delete(id);
        logger.warn({ task: id }, `a task could not be opened, will try again: ${messageOf(error)}`);
        await pause();
      }
    }
  }

  #loop(id: string): void {
    if (this.#loops.has(id)) return;
    const loop = this.#run(id).finally(() => {
      this.#loops.delete(id);
      // An assignment may have arrived after the last check of the loop, while the loop was still registered.
      if (this.#toRun(id)) this.#loop(id);
    });
    this.#loops.set(id, loop);
  }

  #toRun(id: string): Task | undefined {
    const task = this.#tasks.get(id);
    return task?.phase === 'running' && !this.#paused && !this.#options.signal.aborted ? task : undefined;
  }

  async #run(id: string): Promise<void> {
    const { idle } = this.#options;
    for (;;) {
      const task = this.#toRun(id);
      if (!task) return;
      this.#begun.add(task);
      await this.#guarded(task, async () => {
        const taken = await task.processBatch(Math.min(task.dueInMs, IDLE_WAIT_MS));
        const nothingToDo = taken === 0 && task.unread === 0;
        if (task.commitDue || (nothingToDo && idle.wanted)) await task.commit({ ahead: task.left > 0 });
        // Also after a last batch with a due commit: otherwise the next check would only come after a poll
        // without records.
        if (idle.wanted && task.uncommitted === 0 && task.unread === 0) await idle.look();
      });
    }
  }

  /** Runs a part of a task's work and handles its errors. */
  async #guarded(task: Task, work: () => Promise<void>): Promise<void> {
    const { signal, logger, onFatal } = this.#options;
    try {
      await work();
    } catch (caught) {
      if (signal.aborted || this.#tasks.get(task.id) !== task) return;
      const error = this.#fencings.count(caught, task.id);
      if (!isPassing(error)) {
        onFatal(error as Error);
        // Lets the failure take effect before the loop checks again.
        await Promise.resolve();
        return;
      }
      logger.warn(
        { task: task.id, ...(isStreamsError(error) && { code: error.code }) },
        `task given up, will be opened again: ${messageOf(error)}`,
      );
      this.#tasks.delete(task.id);
      await this.#release(task);
      void this.#ensure(task.id, true).catch(onFatal);
    }
  }
}
