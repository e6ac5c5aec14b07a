/**
 * Thrown by `decode` (and by `encode` where the topic was not known before) when something has to be fetched
 * first: wait for `ready`, and call again. It rejects when nobody is to blame but whoever should have
 * answered; what is wrong with the bytes is thrown by the next call. So the hot path stays synchronous, and
 * costs no promise.
 */
export class NotReady extends Error {
  override readonly name = 'NotReady';
  readonly ready: () => Promise<void>;

  constructor(ready: () => Promise<void>) {
    super('something has to be fetched first');
    this.ready = ready;
  }
}

/** Also of another copy of this library: a user's file may have loaded its own. */
export const isNotReady = (error: unknown): error is NotReady =>
  error instanceof Error && error.name === 'NotReady' && typeof (error as NotReady).ready === 'function';

/** What a call returns, at once if it can; else once everything that it needs is there. */
export function whenReady<T>(call: () => T): T | Promise<T> {
  try {
    return call();
  } catch (error) {
    if (!isNotReady(error)) throw error;
    return onceReady(error, call);
  }
}

/**
 * The same, for a call that has thrown, or whose promise was rejected: throws what is not {@link NotReady}.
 */
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
