import { StreamsError } from '../model/errors.js';

/** The command line is wrong: what was given, what is taken. */
export const usage = (
  what: string,
  saw: string,
  expected: string,
  action = 'Correct the command line.',
): StreamsError => new StreamsError('USAGE', { what, saw, expected, action });
