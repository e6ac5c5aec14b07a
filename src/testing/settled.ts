import { nextTurn } from '../runtime/config/system.js';
import type { Engine } from '../runtime/engine/engine.js';
import type { ManualClock } from './manual-clock.js';

/** The error that an injected crash throws inside the engine. The driver catches it. */
export class InjectedCrash extends Error {
  override readonly name = 'InjectedCrash';
}

/** Turns of the event loop: a call that only waits for promises has ended by then. */
const TURNS = 20;

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

/**
 * Runs rounds until nothing is left to do: repartition topics feed other tasks, which may come earlier in the
 * round, and calls end between them.
 *
 * @param calls `short`: waits for calls that take no real time. `all`: for all that run.
 */
export async function drained(engine: Engine, calls: 'short' | 'all' = 'short'): Promise<void> {
  for (let turns = 0; ; ) {
    if ((await engine.processWaiting()) > 0) {
      turns = 0;
      continue;
    }
    const isBusy = engine.tasks.some(({ outside }) => outside && (outside.works.running > 0 || outside.isAwaited));
    if (!isBusy || (calls === 'short' && ++turns > TURNS)) return;
    await nextTurn();
  }
}
