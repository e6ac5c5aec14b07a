import { StreamsError } from '../../model/errors.js';

/** A wrong command line: the given input, and the expected one. */
export const usage = (
  what: string,
  saw: string,
  expected: string,
  action = 'Correct the command line.',
): StreamsError => new StreamsError('USAGE', { what, saw, expected, action });
