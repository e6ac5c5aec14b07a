import { nextTurn } from '../runtime/config/system.js';
import type { Engine } from '../runtime/engine/engine.js';
import type { ManualClock } from './manual-clock.js';

/**
 * Lets the virtual clock advance while something waits for it (such as the backoff of a retry), so that
 * nothing hangs.
 */
export async function settled<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  let done = false;
  const end = work.finally(() => {
    done = true;
  });
  end.catch(() => undefined);
  while (!done) {
    await nextTurn();
    if (!done && clock.waiting) clock.fireNext();
  }
  return end;
}

/** Repartition topics feed other tasks, which may come earlier in the round. */
export async function drained(engine: Engine): Promise<void> {
  while ((await engine.processWaiting()) > 0);
}
