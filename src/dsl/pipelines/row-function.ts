import { noRow } from '../../model/no-row.js';
import type { ResolvedPolicy } from '../../model/policy/policy.js';
import { checkEncodes } from '../../serdes/check.js';
import type { Serde } from '../../serdes/serde.js';
import { isGivenUp } from './async-guard.js';

/** The result of a function for a row; null also if the function throws, see {@link noRow}. */
export function rowOrNone<A, B, T>(fn: (a: A, b: B) => T, a: A, b: B): T | null {
  try {
    return fn(a, b);
  } catch (error) {
    return noRow(error);
  }
}

/** The row, or null if the serde cannot encode it. */
export function writableOrNone<T>(serde: Serde<T>, row: T | null): T | null {
  if (row === null) return null;
  try {
    checkEncodes(serde, row);
    return row;
  } catch (error) {
    return noRow(error);
  }
}

/**
 * The same for the changed row. An error is first thrown to the policy. If the policy continues, the change
 * is processed again, and the error then means no row.
 *
 * @param own The policy of the operator, if it has one of its own.
 */
export const rowOrThrow = <A, B, T>(fn: (a: A, b: B) => T, a: A, b: B, own: ResolvedPolicy | undefined): T | null =>
  isGivenUp(own) ? rowOrNone(fn, a, b) : fn(a, b);
