import type { EngineMetrics, Metrics } from '../config/metrics.js';
import type { EngineView } from './engine-view.js';

export interface Progress {
  readonly phase: 'starting' | 'restoring' | 'running' | 'stopping' | 'stopped';
  readonly tasks: number;
  /** Known records of source topics that are not committed. */
  readonly lag: number;
  /** Records of changelogs, and at the start also of global tables, that are still to be read. */
  readonly restoreLeft: number;
  /**
   * Set while a stop is running: its remaining time, and the batches that it waits for
   * (`task 0-0, 100 records up to orders[0]@41 in effect receipts`). Null otherwise.
   */
  readonly stopping: { readonly leftMs: number; readonly batches: readonly string[] } | null;
  readonly metrics: EngineMetrics;
}

export function progressOf(
  phase: Progress['phase'],
  { tasks, globals }: EngineView,
  metrics: Metrics,
  leftMs: number | undefined,
): Progress {
  const loading = phase === 'starting' && globals.loading;
  const restoring = loading || (phase === 'running' && tasks.some((task) => task.phase === 'restoring'));
  return {
    phase: restoring ? 'restoring' : phase,
    tasks: tasks.length,
    lag: tasks.reduce((sum, task) => sum + task.lag, loading ? 0 : globals.lag),
    restoreLeft: tasks.reduce((sum, task) => sum + task.restoreLeft, loading ? globals.lag : 0),
    stopping:
      phase === 'stopping' && leftMs !== undefined
        ? { leftMs, batches: tasks.flatMap(({ unfinished }) => unfinished ?? []) }
        : null,
    metrics: metrics.snapshot(),
  };
}
