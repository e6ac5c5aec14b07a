import { onceReady } from '../model/not-ready.js';

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
