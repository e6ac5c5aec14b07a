import { isStreamsError, messageOf } from '../../model/errors.js';
import type { EngineConfig } from '../config/config.js';
import type { ApplicationState, LifeHooks, TaskRestore } from '../config/life-hooks.js';
import { isPassing } from '../config/retry.js';
import type { Progress } from './progress.js';

/** The state of an engine, its log lines, and the hooks of its user. */
export class Life {
  readonly #config: Pick<EngineConfig, 'applicationId' | 'guarantee' | 'logger'>;
  readonly #hooks: LifeHooks;
  #state: ApplicationState = 'starting';
  #isMember = false;
  #hasRun = false;
  #tasks: readonly string[] = [];

  constructor(config: EngineConfig, hooks: LifeHooks = {}) {
    this.#config = config;
    this.#hooks = hooks;
  }

  get phase(): Progress['phase'] {
    if (this.#state === 'stopping') return 'stopping';
    if (this.isOver) return 'stopped';
    return this.#isMember ? 'running' : 'starting';
  }

  /** Whether the process has joined its group, and has not begun to stop. */
  get isMember(): boolean {
    return this.phase === 'running';
  }

  get isOver(): boolean {
    return this.#state === 'stopped' || this.#state === 'failed';
  }

  begun(): void {
    this.#call('onState', () => this.#hooks.onState?.('starting'));
  }

  joined(): void {
    this.#isMember = true;
  }

  /** The tasks of this process, from now on. */
  assigned(tasks: readonly string[]): void {
    const before = new Set(this.#tasks);
    const now = new Set(tasks);
    const added = tasks.filter((id) => !before.has(id));
    const removed = this.#tasks.filter((id) => !now.has(id));
    this.#tasks = tasks;
    if (added.length === 0 && removed.length === 0) return;
    const { applicationId: app, logger } = this.#config;
    // When it stops, the tasks leave with it.
    if (!this.isOver)
      logger.info(
        { app, tasks: tasks.length, ...(added.length > 0 && { added }), ...(removed.length > 0 && { removed }) },
        'tasks assigned',
      );
    this.#call('onAssignment', () => this.#hooks.onAssignment?.({ tasks, added, removed }));
  }

  readonly restore = (restore: TaskRestore): void => {
    const { applicationId: app, logger } = this.#config;
    const { task, phase, records, ms } = restore;
    if (phase === 'begun') logger.info({ app, task, records }, 'restoring a task');
    else logger.info({ app, task, records, ms }, phase === 'ended' ? 'restored a task' : 'suspended a restore');
    this.#call('onRestore', () => this.#hooks.onRestore?.(restore));
  };

  /** Every assigned task runs. */
  runs(): void {
    if (this.#state !== 'starting' && this.#state !== 'rebalancing') return;
    const { applicationId: app, guarantee, logger } = this.#config;
    logger.info(
      { app, tasks: this.#tasks.length, guarantee },
      this.#hasRun ? 'running again, after a rebalance' : 'running',
    );
    this.#hasRun = true;
    this.#enter('running');
  }

  /** The tasks are shared out again. @param giveUp Ends what the process does with its own. */
  async rebalancing(giveUp: () => Promise<unknown>): Promise<void> {
    if (this.#state === 'running') this.#enter('rebalancing');
    await giveUp();
  }

  stops(): void {
    this.#enter('stopping');
  }

  /** @param isStop Nothing had failed before it was stopped. */
  ended(error: Error | undefined, isStop: boolean): void {
    if (isStop && isPassing(error))
      this.#config.logger.warn(
        { app: this.#config.applicationId },
        'stopped without a last commit, because the cluster does not answer: the next start continues from the commit before',
      );
    const isStopped = error === undefined || (isStreamsError(error) && error.code === 'STOPPED');
    this.#enter(isStopped ? 'stopped' : 'failed', isStopped ? undefined : error);
    this.assigned([]);
  }

  #enter(state: ApplicationState, error?: Error): void {
    this.#state = state;
    this.#call('onState', () => this.#hooks.onState?.(state, error));
  }

  #call(name: keyof LifeHooks, hook: () => void): void {
    try {
      hook();
    } catch (error) {
      this.#config.logger.error({ app: this.#config.applicationId }, `the hook ${name} threw: ${messageOf(error)}`);
    }
  }
}
