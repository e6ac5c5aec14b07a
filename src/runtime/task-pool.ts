import { isStreamsError, messageOf } from '../model/errors.js';
import { type Clock, type Logger, sleep } from '../model/ports.js';
import type { Role } from './alignment.js';
import { Fencings } from './fencings.js';
import type { IdleWatch } from './idle-watch.js';
import { openTask } from './open-task.js';
import type { PlannedTask } from './planned-tasks.js';
import { isPassing, isTakenOver, pauses } from './retry.js';
import { sharedAbort } from './shared-abort.js';
import type { StopLimit } from './stop-limit.js';
import type { Task } from './task.js';
import type { TaskOptions } from './task-options.js';

/** How long a task without work waits before it looks around. */
const IDLE_WAIT_MS = 1_000;

export interface TaskPoolOptions {
  readonly applicationId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly idle: IdleWatch;
  /** Tasks are opened, but have no loops: who steps them calls for it. */
  readonly manual: boolean;
  /** The engine ends. */
  readonly signal: AbortSignal;
  readonly taskOptions: (wanted: PlannedTask) => TaskOptions;
  /** See {@link Alignment.roleOf}. */
  readonly roleOf: (wanted: PlannedTask) => Role;
  readonly onFatal: (error: Error) => void;
}

const TAKEN_OVER =
  'stopped without a last commit of a task that is no longer its own: the next owner does again what was not committed';

const leftOver = (unfinished: string): string =>
  `stopped before a batch was at its end, which the next start does again, with the calls that it has made: ${unfinished}`;

/**
 * The tasks of a process, each with a loop of its own. A task that fails by something that passes (the
 * cluster is away, another owner has taken it over) is given up and opened again, after pauses that grow up
 * to ten seconds, as long as it is wanted; any other error is the engine's end.
 */
export class TaskPool {
  readonly #options: TaskPoolOptions;
  readonly #tasks = new Map<string, Task>();
  /** As what each of them was opened. */
  readonly #roles = new Map<string, Role>();
  readonly #loops = new Map<string, Promise<void>>();
  readonly #opening = new Map<string, Promise<void>>();
  readonly #fencings: Fencings;
  #wanted: ReadonlyMap<string, PlannedTask> = new Map();
  /** Ends the pauses between attempts when something else is wanted. */
  #changed = sharedAbort();
  /** Between two generations of the group nothing is processed. */
  #paused = true;

  constructor(options: TaskPoolOptions) {
    this.#options = options;
    this.#fencings = new Fencings(options.clock, options.applicationId);
  }

  get tasks(): readonly Task[] {
    return [...this.#tasks.values()];
  }

  /** Whether every task that is wanted runs. */
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
   * Makes the tasks those: closes what is gone, opens what is new, lets the rest go on. Resolves when they
   * run, or other ones are wanted.
   */
  async take(planned: ReadonlyMap<string, PlannedTask>): Promise<void> {
    this.#want(planned);
    this.#paused = false;
    const gone = [...this.#tasks].filter(([id]) => {
      const wanted = planned.get(id);
      // Topics have grown: one that has others to keep together with by now is opened again.
      return !wanted || this.#roles.get(id) !== this.#options.roleOf(wanted);
    });
    for (const [id] of gone) this.#tasks.delete(id);
    for (const [, task] of gone) await this.#release(task);
    if (this.#wanted !== planned) return;
    await Promise.all([...planned.keys()].map((id) => this.#ensure(id)));
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
   * Closes every task, after a commit if wanted, of those whose batch has come to its end. Nothing is waited
   * for beyond the limit. Returns what failed. A commit that is refused because another process has
   * taken over the task, as it does after a freeze, is no failure: that process does what was not committed.
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
        if (unfinished !== undefined) this.#options.logger.warn({ task: task.id }, leftOver(unfinished));
        else if (commit && task.phase === 'running') await limit.within(task.commit());
      } catch (problem) {
        failed(task, problem);
      }
      await task.close().catch((problem: unknown) => failed(task, problem));
    });
    // One that could not be opened is no reason to leave others open behind it: their directories stay
    // locked.
    await limit.within(Promise.allSettled([...ending, ...this.#opening.values()]));
    return problems;
  }

  #want(planned: ReadonlyMap<string, PlannedTask>): void {
    this.#wanted = planned;
    this.#changed.abort();
    this.#changed = sharedAbort();
  }

  /** Until no task is in the middle of a batch. */
  async #halt(): Promise<void> {
    this.#paused = true;
    this.wakeup();
    await Promise.all(this.#loops.values());
  }

  /**
   * Closes a task that is given up. What it had not committed is done again by its next owner, so an error
   * has no consequence.
   */
  #release(task: Task): Promise<void> {
    return task
      .close()
      .catch((error: Error) =>
        this.#options.logger.warn({ task: task.id }, `a task that was given up did not close: ${error.message}`),
      );
  }

  /** Opens a task unless it is open or about to be. Resolves when it runs, or is not wanted any more. */
  async #ensure(id: string, pauseFirst = false): Promise<void> {
    let opening = this.#opening.get(id);
    if (!opening) {
      opening = this.#open(id, pauseFirst).finally(() => this.#opening.delete(id));
      this.#opening.set(id, opening);
    }
    await opening;
    if (!this.#options.manual) this.#loop(id);
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
      // An assignment may have come after the loop had looked for the last time, and found it still there.
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
      await this.#guarded(task, async () => {
        const taken = await task.processBatch(Math.min(task.dueInMs, IDLE_WAIT_MS));
        const nothingToDo = taken === 0 && task.unread === 0;
        if (task.commitDue || (nothingToDo && idle.wanted)) await task.commit({ ahead: task.left > 0 });
        // Also when a batch was the last one and its commit was due: nobody would look before the next poll
        // had waited in vain.
        if (idle.wanted && task.uncommitted === 0 && task.unread === 0) await idle.look();
      });
    }
  }

  /** Runs a part of a task's work. */
  async #guarded(task: Task, work: () => Promise<void>): Promise<void> {
    const { signal, logger, onFatal } = this.#options;
    try {
      await work();
    } catch (caught) {
      if (signal.aborted || this.#tasks.get(task.id) !== task) return;
      const error = this.#fencings.count(caught, task.id);
      if (!isPassing(error)) {
        onFatal(error as Error);
        // Lets the failure take effect before the loop looks again.
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
