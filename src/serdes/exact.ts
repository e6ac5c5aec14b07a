/**
 * Finds a number in parsed JSON that may differ from the written one: above 2^53 − 1 several written numbers
 * become one. Undefined: there is none. Infinity and NaN count too, because JSON writes both as null.
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
