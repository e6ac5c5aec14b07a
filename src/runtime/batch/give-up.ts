import { onceReady } from '../../model/not-ready.js';

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
