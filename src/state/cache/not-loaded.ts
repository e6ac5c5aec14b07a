import { StreamsError } from '../../model/errors.js';
import { show } from '../../model/text/show.js';

/** The error for a synchronous read of a key that is not loaded. */
export const notLoaded = (store: string, key: unknown): StreamsError =>
  new StreamsError('STORE_KEY_NOT_LOADED', {
    what: 'a key was read that is not loaded',
    at: `store ${store}`,
    saw: `key ${show(key)}`,
    action: 'Use await store.load(key), or declare the key in reads so that the batch loads it.',
  });
