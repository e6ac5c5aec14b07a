import { isUtf8 } from 'node:buffer';
import { messageOf, StreamsError } from '../model/errors.js';
import type { Line } from './json-lines.js';

export interface InputFields {
  /** The field whose text is the key. Default: records have no key. */
  readonly key?: string | undefined;
  /** The field that is the event time. Default: the clock. */
  readonly timestamp?: string | undefined;
}

export interface InputRecord {
  readonly key: Buffer | null;
  /** The line as it is. */
  readonly value: Buffer;
  readonly timestamp: number;
}

const ISO_TIME = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

/**
 * Makes a record of a line. The value is the line, byte for byte. The key is the text of its field: a string as it is, null as no key, anything else as JSON. A name that is no field of the line
 * leads along its dots: `user.id`.
 *
 * INPUT_INVALID, with the line, if it is no JSON, lacks a field, or a field cannot be a key or a time.
 */
export function inputRecord(line: Line, fields: InputFields, at: string, now: () => number): InputRecord {
  const where = `${at}:${line.number}`;
  const value = parse(line.bytes, where);
  return {
    key: fields.key === undefined ? null : keyOf(fieldOf(value, fields.key, where), fields.key, where),
    value: line.bytes,
    timestamp:
      fields.timestamp === undefined
        ? now()
        : timestampOf(fieldOf(value, fields.timestamp, where), fields.timestamp, where),
  };
}

function parse(bytes: Buffer, where: string): unknown {
  if (!isUtf8(bytes)) throw invalid(where, 'cannot read a line', 'bytes that are no UTF-8', 'JSON in UTF-8');
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw invalid(where, 'cannot parse a line', messageOf(error), 'one JSON value a line');
  }
}

function fieldOf(value: unknown, name: string, where: string): unknown {
  const own = (object: unknown, field: string): boolean =>
    typeof object === 'object' && object !== null && Object.hasOwn(object, field);
  if (own(value, name)) return (value as Record<string, unknown>)[name];
  let found = value;
  for (const part of name.split('.')) {
    if (!own(found, part))
      throw invalid(where, `a line has no field ${JSON.stringify(name)}`, shapeOf(value), 'the field in every line');
    found = (found as Record<string, unknown>)[part];
  }
  return found;
}

function keyOf(field: unknown, name: string, where: string): Buffer | null {
  if (field === null) return null;
  if (typeof field === 'string') return Buffer.from(field);
  if (typeof field === 'number' && Number.isInteger(field) && !Number.isSafeInteger(field)) {
    throw invalid(
      where,
      `the field ${JSON.stringify(name)} cannot be a key`,
      `the number ${field}, which has lost digits`,
      'a number up to 2^53, or a string',
    );
  }
  return Buffer.from(JSON.stringify(field));
}

function timestampOf(field: unknown, name: string, where: string): number {
  const ms = typeof field === 'string' && ISO_TIME.test(field) ? Date.parse(field) : field;
  if (typeof ms === 'number' && Number.isSafeInteger(ms) && ms >= 0) return ms;
  throw invalid(
    where,
    `the field ${JSON.stringify(name)} is no time`,
    JSON.stringify(field)?.slice(0, 60) ?? String(field),
    'milliseconds since 1970, or a time as in "2026-01-31T12:00:00Z"',
  );
}

const shapeOf = (value: unknown): string =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? `the fields ${Object.keys(value).slice(0, 10).join(', ') || '(none)'}`
    : `${JSON.stringify(value).slice(0, 60)}`;

const invalid = (at: string, what: string, saw: string, expected: string): StreamsError =>
  new StreamsError('INPUT_INVALID', {
    what,
    at,
    saw,
    expected,
    action: 'Correct the line; the lines before it were sent, neither it nor those behind it were.',
  });
