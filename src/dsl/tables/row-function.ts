import { noRow } from '../../model/no-row.js';
import { checkEncodes } from '../../serdes/check.js';
import type { Serde } from '../../serdes/serde.js';
import { isGivenUp } from '../async-guard.js';

/** What a function makes of a row; null also if it throws on it, see {@link noRow}. */
export function rowOrNone<A, B, T>(fn: (a: A, b: B) => T, a: A, b: B): T | null {
  try {
    return fn(a, b);
  } catch (error) {
    return noRow(error);
  }
}

/** A row, if the serde can write it. */
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
 * The same of the row that a change is about: what its function throws is told first, and is no row when the
 * policy has let the change go.
 */
export const rowOrThrow = <A, B, T>(fn: (a: A, b: B) => T, a: A, b: B): T | null =>
  isGivenUp() ? rowOrNone(fn, a, b) : fn(a, b);
