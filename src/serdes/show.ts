import { show, showBytes } from '../model/text/show.js';

export { showBytes };

/** Describes any value for error messages of serdes: its type and a short excerpt. Never throws. */
export function showValue(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'bigint':
      return `the ${typeof value} ${show(value)}`;
    case 'function':
    case 'symbol':
      return `a ${typeof value}`;
    default:
      return value instanceof Uint8Array ? showBytes(value) : `an object of ${constructorName(value)}`;
  }
}

function constructorName(value: object): string {
  // A getter or proxy of the user may throw here, which would hide the error that is being reported.
  try {
    const name: unknown = value.constructor?.name;
    return typeof name === 'string' && name !== '' ? name : 'no class';
  } catch {
    return 'an unknown class';
  }
}
