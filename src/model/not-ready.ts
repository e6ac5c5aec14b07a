/**
 * Thrown by `decode` when something must be fetched first (and by `encode` if the topic was not known
 * before). The caller awaits `ready` and calls again. `ready` rejects only on a failure of the remote side;
 * an error in the bytes is thrown by the next call. So the hot path stays synchronous and needs no promise.
 */
export class NotReady extends Error {
  override readonly name = 'NotReady';
  readonly ready: () => Promise<void>;

  constructor(ready: () => Promise<void>) {
    super('something has to be fetched first');
    this.ready = ready;
  }
}

/** True also for a NotReady of another copy of this library: a user's file may have loaded its own. */
export const isNotReady = (error: unknown): error is NotReady =>
  error instanceof Error && error.name === 'NotReady' && typeof (error as NotReady).ready === 'function';

/**
 * Returns the result of a call, at once if possible; otherwise once everything that it needs is available.
 */
export function whenReady<T>(call: () => T): T | Promise<T> {
  try {
    return call();
  } catch (error) {
    if (!isNotReady(error)) throw error;
    return onceReady(error, call);
  }
}

/** The same, after a call has thrown or rejected. Rethrows any error but {@link NotReady}. */
export async function onceReady<T>(thrown: unknown, call: () => T): Promise<Awaited<T>> {
  for (let error = thrown; ; ) {
    if (!isNotReady(error)) throw error;
    await error.ready();
    try {
      return await call();
    } catch (next) {
      error = next;
    }
  }
}
