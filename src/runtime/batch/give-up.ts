import type { PushScope } from '../../dsl/contract/processor.js';
import { onceReady } from '../../model/not-ready.js';
import { isFatal } from '../send/failures.js';

/**
 * Does the work that remains after the policy has dropped a record, as soon as everything that it needs is
 * available.
 *
 * @param isTold Whether an error of the work can be ignored, because the record's failure was already
 * reported.
 */
export async function giveUp(work: () => void | Promise<void>, isTold: (error: unknown) => boolean): Promise<void> {
  const attempt = async (): Promise<void> => work();
  try {
    await attempt().catch((thrown: unknown) => onceReady(thrown, attempt));
  } catch (error) {
    if (!isTold(error)) throw error;
  }
}

/** A change of a table cannot just be dropped: its previous row must also leave everything downstream. */
export function pushGivenUp(again: () => void, scope: PushScope): Promise<void> {
  const push = (): void => {
    scope.givenUp = true;
    try {
      again();
    } finally {
      scope.givenUp = false;
    }
  };
  // On a path on which records are no longer rows, the change is dropped.
  return giveUp(push, (error) => !isFatal(error));
}
