import type { Membership } from '../broker/port.js';
import type { Topology } from '../dsl/processor.js';
import { isStreamsError } from '../model/errors.js';
import { sleep } from '../model/ports.js';
import { CacheBudget } from '../state/cache-budget.js';
import { assignTasks, decodeTasks, encodeTasks } from './assignment.js';
import type { EngineConfig, EnginePorts } from './config.js';
import { GlobalTables } from './global-tables.js';
import { IdleWatch } from './idle-watch.js';
import { Metrics } from './metrics.js';
import { openTask } from './open-task.js';
import { type Progress, progressOf } from './progress.js';
import { type Slot, slotsOf, topicsRead } from './slots.js';
import { stepAll } from './step-all.js';
import { stopped } from './stopped.js';
import type { Task } from './task.js';
import type { TaskOptions } from './task-options.js';
import { prepareTopics, type TopicCounts } from './topics.js';

/** How long a task without work waits before it looks around. */
const IDLE_WAIT_MS = 1_000;
/** How long a task that was fenced waits before it is opened again. */
const REOPEN_AFTER_MS = 500;
/**
 * One process of an application: its place in the group, and the tasks it was given. Each task has a loop of its own; they share the record cache, and nothing else.
 */
export class Engine {
  readonly #topology: Topology;
  readonly #config: EngineConfig;
  readonly #ports: EnginePorts;
  readonly #metrics = new Metrics();
  readonly #budget: CacheBudget;
  readonly #abort = new AbortController();
  readonly #idle: IdleWatch;
  #slots: ReadonlyMap<string, Slot> = new Map();
  readonly globals: GlobalTables;
  readonly #tasks = new Map<string, Task>();
  readonly #loops = new Map<string, Promise<void>>();
  readonly #manual: boolean;
  #topics!: TopicCounts;
  #membership: Membership | undefined;
  #assigned: readonly string[] = [];
  /** Between two generations of the group nothing is processed. */
  #paused = false;
  #phase: Progress['phase'] = 'starting';
  #failure: Error | undefined;
  #ending: Promise<void> | undefined;
  readonly done: Promise<void>;
  #settleDone!: { resolve: () => void; reject: (error: Error) => void };

  private constructor(topology: Topology, config: EngineConfig, ports: EnginePorts, manual: boolean) {
    this.#topology = topology;
    this.#config = config;
    this.#ports = ports;
    this.#manual = manual;
    this.#budget = new CacheBudget(config.cacheBytes);
    this.globals = new GlobalTables({ topology, config, ports, budget: this.#budget, metrics: this.#metrics });
    this.#idle = new IdleWatch(ports.broker.admin, this);
    this.done = new Promise((resolve, reject) => {
      this.#settleDone = { resolve, reject };
    });
    // Whoever does not wait for done still learns of the failure by stop().
    this.done.catch(() => undefined);
  }

  /** `manual`: tasks are opened, and move only by {@link stepAll}. */
  static async start(
    topology: Topology,
    config: EngineConfig,
    ports: EnginePorts,
    manual = false,
    onStarting?: (engine: Engine) => void,
  ): Promise<Engine> {
    const engine = new Engine(topology, config, ports, manual);
    onStarting?.(engine);
    try {
      await engine.#start();
    } catch (error) {
      await engine.#end(error as Error).catch(() => undefined);
      throw error;
    }
    return engine;
  }

  get applicationId(): string {
    return this.#config.applicationId;
  }

  get tasks(): readonly Task[] {
    return [...this.#tasks.values()];
  }

  progress(): Progress {
    return progressOf(this.#phase, this, this.#metrics);
  }

  /** Resolves when every record in the source topics, internal ones included, is processed and committed. */
  untilIdle(): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    const idle = this.#idle.wait();
    for (const task of this.#tasks.values()) task.wakeup();
    // Without a task there is no loop that would look.
    const looked = this.#tasks.size === 0 ? this.#idle.look() : undefined;
    return Promise.race([Promise.all([idle, looked]).then(() => undefined), this.done]);
  }

  /** Global tables up to their ends, one round of every task, then a commit of each: for the test driver. Returns how many records were taken. */
  async stepAll(): Promise<number> {
    try {
      return await stepAll(this);
    } catch (error) {
      await this.#end(error as Error).catch(() => undefined);
      throw error;
    }
  }

  /** Finishes what is in hand, commits, leaves the group, gives everything back. Rejects with the failure if the engine had failed. */
  async stop(): Promise<void> {
    await this.#end(undefined);
    if (this.#failure) throw this.#failure;
  }

  /** Gives everything back at once; nothing more is committed. */
  async abort(): Promise<void> {
    await this.#end(stopped('the engine was stopped at once', this.applicationId));
  }

  async #start(): Promise<void> {
    this.#topics = await prepareTopics(this.#ports.broker.admin, this.#topology.graph, this.#config);
    this.#slots = slotsOf(this.#topology, this.applicationId, this.#topics);
    await this.globals.load(this.#topics);
    if (!this.#manual) this.globals.follow(this.#idle, (error) => void this.#end(error).catch(() => undefined));
    this.#membership = await this.#ports.broker.join({
      groupId: this.applicationId,
      topics: topicsRead(this.#topology, this.applicationId),
      metadata: () => encodeTasks([...this.#tasks.keys()]),
      assign: async (members) => assignTasks(members, [...this.#slots.keys()]),
      onAssigned: (assignment) => this.#onAssigned(assignment),
      onRevoked: () => this.#onRevoked(),
      onLost: (error) => void this.#end(error).catch(() => undefined),
    });
    this.#phase = 'running';
    await this.#takeUp();
  }

  async #onAssigned(assignment: Buffer): Promise<void> {
    this.#assigned = decodeTasks(assignment);
    this.#paused = false;
    // The first time, the membership is not there yet: start() goes on when it is.
    if (this.#membership) void this.#takeUp().catch((error: Error) => this.#end(error).catch(() => undefined));
  }

  async #onRevoked(): Promise<void> {
    this.#paused = true;
    await this.#quiet();
    for (const task of this.#tasks.values()) {
      if (task.phase === 'running') await this.#guarded(task, () => task.commit());
    }
  }

  /** Makes the tasks those of the assignment: closes what is gone, opens what is new, lets the rest go on. A later assignment may come while it does. */
  async #takeUp(): Promise<void> {
    const assigned = this.#assigned;
    const gone = [...this.#tasks].filter(([id]) => !assigned.includes(id));
    for (const [id] of gone) this.#tasks.delete(id);
    for (const [, task] of gone) await this.#release(task);
    if (this.#assigned !== assigned) return;
    const opening = assigned.map(async (id) => {
      const slot = this.#slots.get(id);
      if (!slot) return;
      if (!this.#tasks.has(id)) await this.#open(slot);
      if (!this.#manual) this.#loop(id);
    });
    await Promise.all(opening);
    if (this.#tasks.size === 0) await this.#idle.look();
  }

  /** Closes a task that is given up. What it had not committed is done again by its next owner, so an error has no consequence. */
  #release(task: Task): Promise<void> {
    return task
      .close()
      .catch((error: Error) =>
        this.#config.logger.warn({ task: task.id }, `a task that was given up did not close: ${error.message}`),
      );
  }

  #open(slot: Slot): Promise<void> {
    return openTask(this.#taskOptions(slot), {
      current: () => this.#tasks.get(slot.id),
      opened: (task) => this.#tasks.set(slot.id, task),
    });
  }

  #taskOptions(slot: Slot): TaskOptions {
    return {
      topology: this.#topology,
      subTopology: slot.subTopology,
      partition: slot.partition,
      stores: slot.stores,
      config: this.#config,
      ports: this.#ports,
      membership: this.#membership as Membership,
      topics: this.#topics,
      budget: this.#budget,
      metrics: this.#metrics,
      globals: this.globals,
      onFatal: () => this.#tasks.get(slot.id)?.wakeup(),
      signal: this.#abort.signal,
    };
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
    return task?.phase === 'running' && !this.#paused && this.#phase === 'running' ? task : undefined;
  }

  async #run(id: string): Promise<void> {
    for (;;) {
      const task = this.#toRun(id);
      if (!task) return;
      await this.#guarded(task, async () => {
        const taken = await task.step(Math.min(task.dueInMs, IDLE_WAIT_MS));
        const idle = taken === 0 && task.lag === 0;
        if (task.commitDue || (idle && this.#idle.wanted)) await task.commit();
        if (idle && this.#idle.wanted) await this.#idle.look();
      });
    }
  }

  /** Runs a part of a task's work. If another owner took the task over, it is opened again as long as it is ours; any other error ends the engine. */
  async #guarded(task: Task, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (this.#phase !== 'running') return;
      const fenced = isStreamsError(error) && (error.code === 'PRODUCER_FENCED' || error.code === 'GROUP_FENCED');
      if (!fenced) {
        void this.#end(error as Error).catch(() => undefined);
        // Lets the failure take effect before the loop looks again.
        await Promise.resolve();
        return;
      }
      this.#config.logger.warn(
        { task: task.id, code: error.code },
        `task given up, will be opened again: ${error.message}`,
      );
      if (this.#tasks.get(task.id) === task) this.#tasks.delete(task.id);
      await this.#release(task);
      await sleep(this.#ports.clock, REOPEN_AFTER_MS, this.#abort.signal);
      const slot = this.#slots.get(task.id);
      const ours = this.#assigned.includes(task.id) && this.#phase === 'running' && !this.#paused;
      if (!slot || !ours || this.#tasks.has(task.id)) return;
      await this.#open(slot).catch((failure: Error) => void this.#end(failure).catch(() => undefined));
    }
  }

  /** Waits until no task is in the middle of a batch. */
  async #quiet(): Promise<void> {
    for (const task of this.#tasks.values()) task.wakeup();
    await Promise.all(this.#loops.values());
  }

  #end(error: Error | undefined): Promise<void> {
    this.#ending ??= this.#finish(error);
    return this.#ending;
  }

  async #finish(error: Error | undefined): Promise<void> {
    this.#failure = error;
    this.#phase = 'stopping';
    this.#abort.abort();
    await this.#quiet();
    const problems: unknown[] = [];
    for (const task of this.#tasks.values()) {
      try {
        // A task that failed is in the middle of a batch: what it did since its last commit is done again at the next start.
        if (!error && task.phase === 'running') await task.commit();
      } catch (problem) {
        problems.push(problem);
      }
      await task.close().catch((problem: unknown) => problems.push(problem));
    }
    await this.globals.close().catch((problem: unknown) => problems.push(problem));
    await this.#membership?.leave().catch((problem: unknown) => problems.push(problem));
    this.#phase = 'stopped';
    this.#failure ??= problems[0] as Error | undefined;
    if (this.#failure) this.#settleDone.reject(this.#failure);
    else this.#settleDone.resolve();
  }
}
