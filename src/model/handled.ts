/**
 * Marks a promise as handled. User code receives it, and may await it late or not at all. A rejection reaches
 * the code that awaits it, and never ends the process as an unhandled rejection.
 */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
