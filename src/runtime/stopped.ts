import { StreamsError } from '../model/errors.js';

/** What those get who waited for something that a stop has ended. */
export const stopped = (what: string, at: string): StreamsError =>
  new StreamsError('STOPPED', { what, at, action: 'Start it again: it goes on from the last commit.' });
