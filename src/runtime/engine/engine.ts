import type { Topology } from '../../dsl/contract/processor.js';
import { CacheBudget } from '../../state/cache/cache-budget.js';
import { Alignment } from '../align/alignment.js';
import type { EngineConfig, EnginePorts } from '../config/config.js';
import { Metrics } from '../config/metrics.js';
import { type RetryOptions, withRetry } from '../config/retry.js';
import { sharedAbort } from '../config/shared-abort.js';
import { StopLimit } from '../config/stop-limit.js';
import { stopped } from '../config/stopped.js';
import { GlobalTables } from '../globals/global-tables.js';
import { assignTasks } from '../group/assignment.js';
import { GroupMember, membershipOf } from '../group/group-member.js';
import { metadataOf, shapesOf } from '../group/member-state.js';
import { refuse, tasksInDoubt } from '../offsets/lost-feeders.js';
import { InputBuffer } from '../poll/input-buffer.js';
import { withLetters } from '../redrive/with-letters.js';
import type { Task } from '../task/task.js';
import type { TaskOptions } from '../task/task-options.js';
import { ownVersion } from '../topics/own-version.js';
import { type PlannedTask, plannedTasksNamed, tasksOnDisk, topicsRead } from '../topics/planned-tasks.js';
import { isForeignTopic } from '../topics/topic-owners.js';
import type { TopicCounts } from '../topics/topics.js';
import { warnBusy } from './busy-warning.js';
import { IdleWatch } from './idle-watch.js';
import { Life } from './life.js';
import { processWaiting } from './process-waiting.js';
import { type Progress, progressOf } from './progress.js';
import { release } from './release.js';
import { planTasks } from './task-plan.js';
import { TaskPool } from './task-pool.js';

/**
 * One process of an application: its membership of the group, and its assigned tasks. The tasks share the
 * cache of rows and the memory for input.
 */
export class Engine {
  #topology: Topology;
  #config: EngineConfig;
  readonly #ports: EnginePorts;
  readonly #metrics = new Metrics();
  readonly #budget: CacheBudget;
  readonly #inputs: InputBuffer;
  readonly #abort = sharedAbort();
  readonly #idle: IdleWatch;
  readonly #pool: TaskPool;
  readonly #manual: boolean;
  readonly #limit: StopLimit;
  #tasks: ReadonlyMap<string, PlannedTask> = new Map();
  readonly globals: GlobalTables;
  readonly #alignment: Alignment;
  #topics!: TopicCounts;
  /** Tasks that have a directory on this machine. */
  #onDisk = new Set<string>();
  /** Undefined: the offsets of the application are not checked yet. */
  #inDoubt: ReadonlySet<string> | undefined;
  #group: GroupMember | undefined;
  readonly #life: Life;
  #failure: Error | undefined;
  #starting = Promise.resolve();
  #ending: Promise<void> | undefined;
  readonly done: Promise<void>;
  #settleDone!: { resolve: () => void; reject: (error: Error) => void };

  private constructor(topology: Topology, config: EngineConfig, given: EnginePorts, manual: boolean) {
    this.#topology = topology;
    this.#config = config;
    const ports = { ...given, broker: given.broker.withStopDeadline?.(this.#abort.signal) ?? given.broker };
    this.#ports = ports;
    this.#budget = ports.cache ?? new CacheBudget(config.cacheBytes);
    this.#inputs = new InputBuffer(config.inputBufferBytes);
    this.globals = new GlobalTables({ topology, config, ports, budget: this.#budget, metrics: this.#metrics });
    const { clock } = ports;
    this.#idle = new IdleWatch({ admin: ports.broker.admin, clock, engine: this, signal: this.#abort.signal });
    this.#alignment = new Alignment({
      ports: { admin: ports.broker.admin, clock, logger: config.logger, metrics: this.#metrics },
      membership: () => this.#group?.membership,
      isRestoring: (id) => this.#pool.find(id)?.phase === 'restoring',
    });
    this.#manual = manual;
    this.#life = new Life(config, ports.hooks);
    this.#limit = new StopLimit(clock);
    this.#pool = new TaskPool({
      applicationId: config.applicationId,
      clock,
      logger: config.logger,
      idle: this.#idle,
      manual,
      signal: this.#abort.signal,
      taskOptions: (task) => this.#taskOptions(task),
      roleOf: (task) => this.#alignment.roleOf(task),
      onFatal: (error) => this.#fail(error),
    });
    this.done = new Promise((resolve, reject) => {
      this.#settleDone = { resolve, reject };
    });
    // A caller that does not wait for `done` still gets the failure from stop().
    this.done.catch(() => undefined);
  }

  /** @param manual Tasks are opened, and advance only by {@link processWaiting}. */
  static async start(
    topology: Topology,
    config: EngineConfig,
    ports: EnginePorts,
    manual = false,
    onStarting?: (engine: Engine) => void,
  ): Promise<Engine> {
    const engine = new Engine(topology, config, ports, manual);
    engine.#life.begun();
    onStarting?.(engine);
    try {
      engine.#starting = engine.#start();
      // A start may wait for a call of the user or of a broker, but no longer than a stop may take.
      await engine.#limit.within(engine.#starting);
      engine.#limit.checkRunning(engine.applicationId);
    } catch (error) {
      await engine.#end(error as Error).catch(() => undefined);
      // A running task may have ended the engine while others were opening: their error is then not the
      // reason.
      throw engine.#failure ?? error;
    }
    return engine;
  }

  get applicationId(): string {
    return this.#config.applicationId;
  }

  get tasks(): readonly Task[] {
    return this.#pool.tasks;
  }

  /** See {@link EngineView}. */
  get settled(): boolean {
    return this.#group?.membership !== undefined && this.#pool.settled;
  }

  progress(): Progress {
    return progressOf(this.#life.phase, this, this.#metrics, this.#limit.leftMs);
  }

  /** Resolves when every record in the source topics, internal ones included, is processed and committed. */
  untilIdle(): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    const idle = this.#idle.wait();
    this.#pool.wakeup();
    // Without a task, no loop runs the check.
    const looked = this.tasks.length === 0 ? this.#idle.look() : undefined;
    return Promise.race([Promise.all([idle, looked]).then(() => undefined), this.done]);
  }

  /** For the test driver: see {@link processWaiting}. Returns the number of records taken. */
  processWaiting(): Promise<number> {
    return processWaiting(this).catch(async (error: Error) => {
      await this.#end(error).catch(() => undefined);
      throw error;
    });
  }

  /**
   * Finishes the current batches, commits, leaves the group and releases everything, within the time that
   * {@link StopLimit} allows. Rejects with the failure if the engine has failed.
   */
  async stop(): Promise<void> {
    await this.#end(undefined);
    if (this.#failure) throw this.#failure;
  }

  /** Releases everything at once; nothing more is committed. */
  async abort(): Promise<void> {
    await this.#end(stopped('the engine was stopped at once', this.applicationId));
  }

  async #start(): Promise<void> {
    const { instanceId, sessionMs } = this.#config;
    await this.#findVersion();
    this.#limit.checkRunning(this.applicationId);
    await this.#planPatiently().catch(async (error) => {
      if (!isForeignTopic(error)) throw error;
      // Another application has created topics of these names since the first check: use a separate prefix.
      await this.#findVersion();
      await this.#planPatiently();
    });
    this.#onDisk = await tasksOnDisk(this.#tasks.keys(), this.#config.version.prefix, this.#ports);
    await this.globals.load(this.#topics, this.#config.version.prefix);
    if (!this.#manual) this.globals.follow(this.#idle, (error) => this.#fail(error));
    this.#limit.checkRunning(this.applicationId);
    const options = {
      ...this.#retryOptions,
      broker: this.#ports.broker,
      instanceId,
      sessionMs,
      groupId: this.applicationId,
      topics: topicsRead(this.#topology, this.#config.version.prefix),
      ...metadataOf(this, () => ({ onDisk: this.#onDisk, shapes: this.#shapes() })),
      assign: async (members: Parameters<typeof assignTasks>[0]) => {
        // Topics may have more partitions by now. A plan that cannot grow with them fails this leader, and
        // then each member that leads after it.
        await this.#plan();
        return assignTasks(members, this.#shapes());
      },
      onAssigned: () => {
        if (this.#life.isMember) void this.#takeUp().catch((error: Error) => this.#fail(error));
      },
      // A member that leaves gives up its tasks: a stop that is cut short waits for none of them.
      onRevoked: () => this.#life.rebalancing(() => this.#limit.within(this.#pool.pause())),
      onLost: () => this.#life.rebalancing(() => this.#pool.giveUp()).then(() => this.#life.assigned([])),
      onBusy: (ms: number) => warnBusy(this.#config, this.tasks, ms),
      onFatal: (error: Error) => this.#fail(error),
    };
    await GroupMember.join(options, (place) => {
      this.#group = place;
    });
    this.#life.joined();
    await this.#takeUp();
  }

  /** Finds the version of the application to run. It does not change while a member is alive. */
  async #findVersion(): Promise<void> {
    this.#config = await ownVersion(this.#config, this.#ports, this.#topology.graph, this.#retryOptions);
    const look = () => withLetters(this.#topology, this.#ports.broker.admin, this.#config);
    this.#topology = await withRetry('looking for letters', this.#retryOptions, look);
  }

  get #retryOptions(): RetryOptions {
    return { clock: this.#ports.clock, logger: this.#config.logger, signal: this.#abort.signal };
  }

  readonly #planPatiently = (): Promise<void> =>
    withRetry('looking at the topics', this.#retryOptions, () => this.#plan());

  async #plan(): Promise<void> {
    const { tasks, topics } = await planTasks(this.#topology, this.#config, this.#ports, this.#retryOptions);
    this.#tasks = tasks;
    this.#topics = topics;
    this.#alignment.plan({ topology: this.#topology, tasks, topics, prefix: this.#config.version.prefix });
  }

  readonly #shapes = (): ReturnType<typeof shapesOf> => shapesOf(this.#topology.graph, this.#tasks.values());

  /** Runs the assigned tasks, and no others. A later assignment may arrive meanwhile. */
  async #takeUp(): Promise<void> {
    const assigned = this.#group?.assigned ?? [];
    // The leader has seen newer partitions: of its own topics, or of those of tasks that its tasks wait for.
    const isKnown = assigned.every((id) => this.#tasks.has(id));
    if (!isKnown || (await this.#alignment.isOutdated())) await this.#planPatiently();
    const app = { ...this.#shared, tasks: this.#tasks, topics: this.#topics, onDisk: this.#onDisk, group: this.#group };
    this.#inDoubt ??= await tasksInDoubt(app);
    if (this.#group?.assigned !== assigned) return;
    const tasks = plannedTasksNamed(this.#tasks, assigned);
    for (const id of tasks.keys()) this.#onDisk.add(id);
    this.#life.assigned([...tasks.keys()]);
    await this.#pool.take(tasks, this.#inDoubt).catch((error) => refuse(error, app, this.#pool));
    if (this.settled) this.#life.runs();
  }

  #taskOptions(task: PlannedTask): TaskOptions {
    return {
      ...this.#shared,
      subTopology: task.subTopology,
      partition: task.partition,
      stores: task.stores,
      membership: membershipOf(this.#group, this.applicationId),
      topics: this.#topics,
      budget: this.#budget,
      inputs: this.#inputs,
      metrics: this.#metrics,
      onRestore: this.#life.restore,
      globals: this.globals,
      alignment: this.#alignment,
      onFatal: () => this.#pool.find(task.id)?.wakeup(),
      stop: this.#limit,
    };
  }

  get #shared(): Pick<TaskOptions, 'topology' | 'config' | 'ports' | 'signal'> {
    return { topology: this.#topology, config: this.#config, ports: this.#ports, signal: this.#abort.signal };
  }

  readonly #fail = (error: Error): void => void this.#end(error).catch(() => undefined);

  #end(error: Error | undefined): Promise<void> {
    this.#ending ??= this.#finish(error);
    return this.#ending;
  }

  async #finish(error: Error | undefined): Promise<void> {
    this.#failure = error;
    this.#life.stops();
    this.#limit.begin(this.#config.stopMs);
    this.#abort.abort();
    // A failed task has stopped within a batch: the next start repeats what it did since its last commit.
    const opened = { pool: this.#pool, globals: this.globals, group: this.#group, starting: this.#starting };
    const [problem] = await release(opened, !error, this.#limit);
    this.#failure ??= problem as Error | undefined;
    this.#life.ended(this.#failure, !error);
    if (this.#failure) this.#settleDone.reject(this.#failure);
    else this.#settleDone.resolve();
  }
}
