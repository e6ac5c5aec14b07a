import { setMaxListeners } from 'node:events';

/**
 * An AbortController whose signal each task of a process may wait for: Node takes more than ten for a leak.
 */
export function sharedAbort(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}
