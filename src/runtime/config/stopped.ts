import { StreamsError } from '../../model/errors.js';

/** The error of a wait that a stop has ended. */
export const stopped = (what: string, at: string): StreamsError =>
  new StreamsError('STOPPED', { what, at, action: 'Start it again: it continues from the last commit.' });
