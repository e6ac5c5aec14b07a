const MAX_CHARACTERS = 60;
const MAX_BYTES = 16;

/** A value as an error message shows it: its type and a short excerpt, whatever it is. Never throws. */
export function showValue(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  switch (typeof value) {
    case 'string':
      return `the string ${JSON.stringify(shorten(value))}`;
    case 'number':
    case 'boolean':
      return `the ${typeof value} ${String(value)}`;
    case 'bigint':
      return `the bigint ${shorten(String(value))}n`;
    case 'function':
    case 'symbol':
      return `a ${typeof value}`;
    default:
      return value instanceof Uint8Array ? showBytes(value) : `an object of ${constructorName(value)}`;
  }
}

/** Bytes as an error message shows them: how many, and the first in hexadecimal. */
export function showBytes(bytes: Uint8Array): string {
  const hex = Array.from(bytes.subarray(0, MAX_BYTES), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const count = bytes.length === 1 ? '1 byte' : `${bytes.length} bytes`;
  return bytes.length === 0 ? 'no bytes' : `${count} (${hex}${bytes.length > MAX_BYTES ? ' …' : ''})`;
}

export function shorten(text: string): string {
  return text.length <= MAX_CHARACTERS ? text : `${text.slice(0, MAX_CHARACTERS)}…`;
}

function constructorName(value: object): string {
  // A getter or a proxy of the user may throw here, which would hide the error that is being reported.
  try {
    const name: unknown = value.constructor?.name;
    return typeof name === 'string' && name !== '' ? name : 'no class';
  } catch {
    return 'an unknown class';
  }
}
