import { setMaxListeners } from 'node:events';

/**
 * Creates an AbortController with a signal that every task of a process may listen to. Node reports more than
 * ten listeners as a leak.
 */
export function sharedAbort(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}
