import type { Holder } from './holder.js';
import type { EngineMetrics, Metrics } from './metrics.js';

export interface Progress {
  readonly phase: 'starting' | 'restoring' | 'running' | 'stopping' | 'stopped';
  readonly tasks: number;
  /** Records in source topics that are not processed. */
  readonly lag: number;
  /** Records of changelogs, and of global tables at the start, that are still to be read. */
  readonly restoreLeft: number;
  readonly metrics: EngineMetrics;
}

export function progressOf(phase: Progress['phase'], { tasks, globals }: Holder, metrics: Metrics): Progress {
  const loading = phase === 'starting' && globals.loading;
  const restoring = loading || (phase === 'running' && tasks.some((task) => task.phase === 'restoring'));
  return {
    phase: restoring ? 'restoring' : phase,
    tasks: tasks.length,
    lag: tasks.reduce((sum, task) => sum + task.lag, loading ? 0 : globals.lag),
    restoreLeft: tasks.reduce((sum, task) => sum + task.restoreLeft, loading ? globals.lag : 0),
    metrics: metrics.snapshot(),
  };
}
