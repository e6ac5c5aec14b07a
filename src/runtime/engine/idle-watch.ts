import { type Admin, partitionKey } from '../../broker/port.js';
import { type Clock, sleep } from '../../model/ports.js';
import { isPassing, pauses } from '../config/retry.js';
import type { Task } from '../task/task.js';
import { positionsText } from '../topics/sources.js';
import type { EngineView } from './engine-view.js';

export interface IdleWatchOptions {
  readonly admin: Admin;
  readonly clock: Clock;
  readonly engine: EngineView;
  /** Ends the pauses between checks. */
  readonly signal: AbortSignal;
}

/** Detects when nothing is left to do, for callers that wait for it. */
export class IdleWatch {
  readonly #options: IdleWatchOptions;
  #waiters: (() => void)[] = [];
  /** The positions at which tasks had committed everything, since a caller began to wait. */
  readonly #committed = new Map<Task, string>();

  constructor(options: IdleWatchOptions) {
    this.#options = options;
  }

  /** Whether a caller waits: tasks then commit when they have nothing to do, and check. */
  get wanted(): boolean {
    return this.#waiters.length > 0;
  }

  wait(): Promise<void> {
    this.#committed.clear();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /**
   * Checks whether every position is at the end of its log and committed, and if so resolves the waiting
   * calls. A cluster that does not answer is no error: the loop of each task checks again. In a process
   * without tasks, this call repeats the check until it succeeds, a task exists, or no caller waits any more.
   */
  async look(): Promise<void> {
    const { clock, engine, signal } = this.#options;
    for (const pauseMs of pauses()) {
      try {
        return await this.#look();
      } catch (error) {
        if (!isPassing(error)) throw error;
      }
      if (engine.tasks.length > 0 || !this.wanted) return;
      await sleep(clock, pauseMs, signal);
      if (signal.aborted) return;
    }
  }

  async #look(): Promise<void> {
    const { admin, engine } = this.#options;
    const { tasks, globals } = engine;
    if (!engine.settled || !this.#areDone(tasks)) return;
    const positions = [...tasks.flatMap((task) => task.positionsOfInputs), ...globals.positions];
    const latest = await admin.latestOffsets(positions);
    const ends = new Map(latest.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]));
    const behind = positions.some(
      ({ topic, partition, offset }) => offset < (ends.get(partitionKey(topic, partition)) ?? 0),
    );
    if (behind || !engine.settled || !this.#areDone(tasks)) return;
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  /**
   * Wall-clock timers never end, and several tasks with such timers may never be without something to commit
   * at the same time. So a task counts as done if it has committed once, and has only fired timers since.
   */
  #areDone(tasks: readonly Task[]): boolean {
    let done = true;
    for (const task of tasks) {
      if (task.phase !== 'running' || task.lag > 0 || (task.outside?.works.pending ?? 0) > 0) {
        done = false;
        continue;
      }
      const place = positionsText(task.positionsOfInputs);
      if (task.uncommitted === 0) this.#committed.set(task, place);
      else if (this.#committed.get(task) !== place) done = false;
    }
    return done;
  }
}
