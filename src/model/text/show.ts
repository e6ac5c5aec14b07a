import { plainText } from './plain-text.js';

const MAX_LENGTH = 200;
const MAX_TEXT = 60;
const MAX_DEPTH = 3;
const MAX_PARTS = 12;
const MAX_BYTES = 16;

/**
 * Any value as a text for errors and logs, similar to JSON: `"a"`, `5`, `5n`, `{"a":1}`. It is safe for any
 * value of a user: it never throws, runs no getter, has no control characters and at most 200 characters. It
 * is not a format: different values may look alike.
 */
export function show(value: unknown): string {
  try {
    return shorten(shown(value, []), MAX_LENGTH);
  } catch {
    // A proxy may throw on any access.
    return 'a value that cannot be shown';
  }
}

function shorten(text: string, length = MAX_TEXT): string {
  if (text.length <= length) return text;
  // Do not cut a surrogate pair.
  const end = /[\ud800-\udbff]/.test(text[length - 1] as string) ? length - 1 : length;
  return `${text.slice(0, end)}…`;
}

/** Bytes for an error message: their number, and the first ones in hexadecimal. */
export function showBytes(bytes: Uint8Array): string {
  const hex = Array.from(bytes.subarray(0, MAX_BYTES), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const count = bytes.length === 1 ? '1 byte' : `${bytes.length} bytes`;
  return bytes.length === 0 ? 'no bytes' : `${count} (${hex}${bytes.length > MAX_BYTES ? ' …' : ''})`;
}

function shown(value: unknown, within: readonly object[]): string {
  switch (typeof value) {
    case 'string':
      return plainText(JSON.stringify(shorten(value)));
    case 'bigint':
      return `${shorten(value.toString())}n`;
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value);
    case 'symbol':
      return plainText(shorten(value.toString()));
    case 'function':
      return 'a function';
    case 'object':
      return value === null ? 'null' : shownObject(value, within);
    default:
      return String(value);
  }
}

function shownObject(value: object, within: readonly object[]): string {
  if (within.includes(value)) return '(itself)';
  if (value instanceof Uint8Array) return showBytes(value);
  if (value instanceof Date) {
    const time = Date.prototype.getTime.call(value);
    return Number.isNaN(time) ? 'an invalid date' : new Date(time).toISOString();
  }
  if (value instanceof Map || value instanceof Set) return `a ${value instanceof Map ? 'Map' : 'Set'} of ${value.size}`;
  if (within.length === MAX_DEPTH) return '…';
  const inside = [...within, value];
  const names = Array.isArray(value) ? undefined : Object.keys(value);
  const count = names?.length ?? (value as unknown[]).length;
  const parts = Array.from({ length: Math.min(count, MAX_PARTS) }, (_, i) => {
    const name = names?.[i];
    const part = shownField(value, name ?? String(i), inside);
    return name === undefined ? part : `${shown(name, [])}:${part}`;
  });
  if (count > MAX_PARTS) parts.push('…');
  return names ? `{${parts.join(',')}}` : `[${parts.join(',')}]`;
}

function shownField(of: object, name: string, within: readonly object[]): string {
  const field = Object.getOwnPropertyDescriptor(of, name);
  if (field === undefined) return 'undefined';
  return field.get || field.set ? '(computed)' : shown(field.value, within);
}
