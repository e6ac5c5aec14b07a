import type { EngineMetrics, Metrics } from './metrics.js';
import type { Task } from './task.js';

export interface Progress {
  readonly phase: 'starting' | 'restoring' | 'running' | 'stopping' | 'stopped';
  readonly tasks: number;
  /** Records in source topics that are not processed. */
  readonly lag: number;
  /** Changelog records that are still to be read. */
  readonly restoreLeft: number;
  readonly metrics: EngineMetrics;
}

export function progressOf(phase: Progress['phase'], tasks: readonly Task[], metrics: Metrics): Progress {
  const restoring = phase === 'running' && tasks.some((task) => task.phase === 'restoring');
  return {
    phase: restoring ? 'restoring' : phase,
    tasks: tasks.length,
    lag: tasks.reduce((sum, task) => sum + task.lag, 0),
    restoreLeft: tasks.reduce((sum, task) => sum + task.restoreLeft, 0),
    metrics: metrics.snapshot(),
  };
}
