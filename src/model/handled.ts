/**
 * A promise for a function of the user, who may await it late or not at all: its failure is that of whoever
 * awaits it, and never ends the process as one that nobody handles.
 */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
