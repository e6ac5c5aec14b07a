import { isNotReady } from '../../model/not-ready.js';
import { isGivenUp } from '../async-guard.js';

/**
 * What becomes of a row that a function of the user throws on, once the policy has let its record go: it is
 * no row. The row leaves what is made of the table, whatever it was before, and comes back with its next
 * value. That follows from the row alone, so that whoever asks later (what was there before? what does the
 * other side of a join have?) finds the same.
 */
export function rowOrNone<A, B, T>(fn: (a: A, b: B) => T, a: A, b: B): T | null {
  try {
    return fn(a, b);
  } catch (error) {
    // Nothing has failed: something has to be fetched first.
    if (isNotReady(error)) throw error;
    return null;
  }
}

/**
 * The same of the row that a change is about: what its function throws is told first, and is no row when the
 * policy has let the change go.
 */
export const rowOrThrow = <A, B, T>(fn: (a: A, b: B) => T, a: A, b: B): T | null =>
  isGivenUp() ? rowOrNone(fn, a, b) : fn(a, b);
