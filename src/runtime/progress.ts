import type { EngineView } from './engine-view.js';
import type { EngineMetrics, Metrics } from './metrics.js';

export interface Progress {
  readonly phase: 'starting' | 'restoring' | 'running' | 'stopping' | 'stopped';
  readonly tasks: number;
  /** Records in source topics that are not committed, as far as is known of them. */
  readonly lag: number;
  /** Records of changelogs, and of global tables at the start, that are still to be read. */
  readonly restoreLeft: number;
  /**
   * Of a stop that is under way: how long it may take yet, and the batches that it waits for (`task 0-0, 100
   * records up to orders[0]@41 in effect receipts`). Null before.
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
