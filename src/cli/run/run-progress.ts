import { formatMs } from '../../model/duration.js';
import { type Clock, sleep } from '../../model/ports.js';
import type { Progress } from '../../runtime/engine/progress.js';
import { formatCount, Rate } from '../terminal/rate.js';
import type { StatusLine } from '../terminal/status-line.js';

const LOOK_EVERY_MS = 500;
/** Every running application lags by fewer records than this. */
const WORTH_TELLING_RECORDS = 1_000;

/**
 * Shows the progress of an application while there is much to do: starting (no progress yet), restoring,
 * catching up. Returns a function that ends the display.
 */
export function showProgress(
  progress: () => Progress | undefined,
  context: { readonly clock: Clock; readonly status: StatusLine },
): () => void {
  const ended = new AbortController();
  const since = context.clock.monotonic();
  const { clock, status } = context;
  const running = new Rate(clock);
  const restoring = new Rate(clock);
  const loop = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      const now = progress();
      running.sample(now?.metrics.recordsIn ?? 0);
      restoring.sample(now?.metrics.restoredRecords ?? 0);
      const shown = textOf(now, { ms: clock.monotonic() - since, running, restoring });
      if (shown === undefined) status.clear();
      else status.update(shown, () => fieldsOf(now, { running, restoring }));
      await sleep(clock, LOOK_EVERY_MS, ended.signal);
    }
  };
  void loop();
  return () => ended.abort();
}

interface Rates {
  readonly running: Rate;
  readonly restoring: Rate;
}

/** Undefined: there is nothing worth showing. */
function textOf(
  now: Progress | undefined,
  { ms, running, restoring }: Rates & { readonly ms: number },
): (() => string) | undefined {
  if (now === undefined) return () => `starting: opening and restoring the stores, ${formatMs(ms)}`;
  const { stopping, restoreLeft, lag } = now;
  if (stopping) {
    const { leftMs, batches } = stopping;
    const waits = batches.length === 0 ? 'releasing all resources' : `waiting for ${batches.join('; ')}`;
    return () => `stopping: ${waits}; at most ${formatMs(leftMs)} more`;
  }
  if (restoreLeft > 0)
    return () => `restoring: ${formatCount(restoreLeft)} records left, ${restoring.text(restoreLeft)}`;
  if (lag < WORTH_TELLING_RECORDS) return undefined;
  return () => `catching up: lag ${formatCount(lag)} records, ${running.text(lag)}`;
}

function fieldsOf(now: Progress | undefined, { running, restoring }: Rates): object {
  if (now === undefined) return { phase: 'starting' };
  const { phase, tasks, lag, restoreLeft, stopping } = now;
  return {
    ...{ phase, tasks, lag, recordsPerSecond: Math.round(running.perSecond) },
    ...(restoreLeft > 0 && { restoreLeft, restoredPerSecond: Math.round(restoring.perSecond) }),
    ...(stopping && { leftMs: Math.round(stopping.leftMs) }),
  };
}
