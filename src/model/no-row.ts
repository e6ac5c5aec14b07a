import { isNotReady } from './not-ready.js';

/**
 * What becomes of a row that a function of the user throws on, or that cannot be written, once the policy has
 * let its record go: it is no row, for everything behind. The row leaves what is made of the table, whatever
 * it was before, and comes back with its next value. That follows from the row alone, so that whoever asks
 * later (what was there before? what does the other side of a join have?) finds the same.
 *
 * Called with what was thrown on the way to a row: there is none, unless nothing has failed.
 */
export function noRow(error: unknown): null {
  // Nothing has failed: something has to be fetched first.
  if (isNotReady(error)) throw error;
  return null;
}
