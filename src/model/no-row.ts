import { isNotReady } from './not-ready.js';

/**
 * Handles an error for a row: a user's function threw on it, or it cannot be encoded, and the policy
 * continues. For all later operators there is no row then. It is removed from everything derived from the
 * table, whatever it was before, and comes back with its next value. This follows from the row alone. So
 * every later look-up gives the same answer, for example the previous value of a change, or the other side of
 * a join.
 *
 * Takes the error that was thrown while the row was made. Returns null, unless the error is {@link NotReady}.
 */
export function noRow(error: unknown): null {
  // Nothing has failed: something must be fetched first.
  if (isNotReady(error)) throw error;
  return null;
}
