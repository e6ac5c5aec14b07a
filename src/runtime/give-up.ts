import type { PushScope } from '../dsl/processor.js';
import { onceReady } from '../model/not-ready.js';
import { isFatal } from './failures.js';

/**
 * Does what has to be done all the same once the policy has let a record go, as soon as all that it needs is
 * there. `isTold`: whether an error of it is no news, because the record's own failure was told already.
 */
export async function giveUp(work: () => void | Promise<void>, isTold: (error: unknown) => boolean): Promise<void> {
  const attempt = async (): Promise<void> => work();
  try {
    await attempt().catch((thrown: unknown) => onceReady(thrown, attempt));
  } catch (error) {
    if (!isTold(error)) throw error;
  }
}

/** A change of a table may not just be left out: what its row was has to leave what follows. */
export function pushGivenUp(again: () => void, scope: PushScope): Promise<void> {
  const push = (): void => {
    scope.givenUp = true;
    try {
      again();
    } finally {
      scope.givenUp = false;
    }
  };
  // A way on which records are no rows any more: there the change is left out.
  return giveUp(push, (error) => !isFatal(error));
}
