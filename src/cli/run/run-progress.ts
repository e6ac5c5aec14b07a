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
      if (now === undefined) {
        status.update(() => `starting: opening and restoring the stores, ${formatMs(clock.monotonic() - since)}`);
      } else if (now.stopping) {
        const { leftMs, batches } = now.stopping;
        const waits = batches.length === 0 ? 'releasing all resources' : `waiting for ${batches.join('; ')}`;
        status.update(() => `stopping: ${waits}; at most ${formatMs(leftMs)} more`);
      } else if (now.restoreLeft > 0) {
        status.update(
          () => `restoring: ${formatCount(now.restoreLeft)} records left, ${restoring.text(now.restoreLeft)}`,
        );
      } else if (now.lag >= WORTH_TELLING_RECORDS) {
        status.update(() => `catching up: lag ${formatCount(now.lag)} records, ${running.text(now.lag)}`);
      } else {
        status.clear();
      }
      await sleep(clock, LOOK_EVERY_MS, ended.signal);
    }
  };
  void loop();
  return () => ended.abort();
}
