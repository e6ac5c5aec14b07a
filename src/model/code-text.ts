/**
 * Data as JavaScript code. All data that is written into a generated program passes through here. So no text
 * of a record, a schema or a file name can end the literal or comment that contains it.
 */
import { plainText } from './text/plain-text.js';
import { WindowKey } from './window.js';

/**
 * A string literal in single quotes, on one line. Line breaks, U+2028, U+2029 and lone surrogates are
 * escaped.
 */
export const stringCode = (text: string): string =>
  `'${plainText(JSON.stringify(text)).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;

/** A property name in an object literal: an unquoted or quoted `__proto__` would set the prototype. */
export const propertyCode = (name: string): string => (name === '__proto__' ? `['${name}']` : stringCode(name));

/** Text for a comment that ends at the end of its line. */
export const commentCode = (text: string): string => plainText(text);

/**
 * A value as an expression that creates it again: JSON values, bigints, bytes (as a Buffer), dates, and the
 * numbers that JSON lacks. Undefined fields of objects are left out.
 */
export function valueCode(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return stringCode(value);
    case 'number':
      return numberCode(value);
    case 'bigint':
      return `${value}n`;
    case 'boolean':
      return String(value);
    case 'object':
      return value === null ? 'null' : objectCode(value);
    default:
      return 'undefined';
  }
}

/** Whether {@link valueCode} reproduces the value exactly: it contains no instance of an unknown class. */
export function hasCode(value: unknown): boolean {
  if (typeof value === 'function' || typeof value === 'symbol') return false;
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || value instanceof Date) return true;
  if (Array.isArray(value)) return value.every(hasCode);
  const prototype = Object.getPrototypeOf(value);
  const isPlain = [null, Object.prototype, WindowKey.prototype].includes(prototype);
  return isPlain && Object.values(value).every(hasCode);
}

function numberCode(value: number): string {
  if (Number.isNaN(value)) return 'Number.NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Number.POSITIVE_INFINITY' : 'Number.NEGATIVE_INFINITY';
  return Object.is(value, -0) ? '-0' : String(value);
}

function objectCode(value: object): string {
  if (value instanceof Uint8Array) return bytesCode(value);
  if (value instanceof Date) return `new Date(${numberCode(value.getTime())})`;
  if (Array.isArray(value)) return `[${value.map(valueCode).join(', ')}]`;
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  if (fields.length === 0) return '{}';
  return `{ ${fields.map(([name, field]) => `${propertyCode(name)}: ${valueCode(field)}`).join(', ')} }`;
}

/** Bytes as an expression that creates a Buffer. */
export const bytesCode = (bytes: Uint8Array): string =>
  `Buffer.from('${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}', 'base64')`;
