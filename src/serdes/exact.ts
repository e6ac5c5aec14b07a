/**
 * A number in what was read from JSON that is perhaps not the one that was written: above 2^53 − 1 several
 * become one. Undefined: there is none. Infinity and NaN count, too: JSON writes all of them as null.
 */
export function inexactNumber(json: unknown): number | undefined {
  if (typeof json === 'number')
    return Number.isSafeInteger(json) || (Number.isFinite(json) && !Number.isInteger(json)) ? undefined : json;
  if (typeof json !== 'object' || json === null) return undefined;
  for (const inner of Object.values(json)) {
    const found = inexactNumber(inner);
    if (found !== undefined) return found;
  }
  return undefined;
}
