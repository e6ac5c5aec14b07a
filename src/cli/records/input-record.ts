import { isUtf8 } from 'node:buffer';
import type { AnySerde } from '../../dsl/contract/processor.js';
import { messageOf, StreamsError } from '../../model/errors.js';
import { Headers } from '../../model/headers.js';
import { ownOf } from '../../model/own.js';
import { isMoment, LAST_MOMENT } from '../../model/record.js';
import { show } from '../../model/text/show.js';
import { inexactNumber } from '../../serdes/exact.js';
import { bytesOfForm, keyOfForm } from '../../serdes/key-form.js';
import { isWellFormed } from '../../serdes/text.js';
import type { ShownSerdes } from '../terminal/show.js';
import type { Line } from './json-lines.js';
import { encodeJson } from './topic-serdes.js';

export interface InputFields {
  /** The field with the text of the key. Default: records have no key. */
  readonly key?: string | undefined;
  /** The field with the event time. Default: the clock. */
  readonly timestamp?: string | undefined;
  /** The field with the headers: an object of texts. Default: records have no headers. */
  readonly headers?: string | undefined;
  /** Records have no value: they delete the rows of their keys. */
  readonly withoutValue?: boolean | undefined;
  /** How to encode keys and values. Default: keys as text, values as the lines are. */
  readonly serdes?: ShownSerdes | undefined;
}

export interface ParsedLine {
  /** From 1. */
  readonly number: number;
  readonly key: Buffer | null;
  /** The line as it is; null for a deletion. */
  readonly value: Buffer | null;
  readonly timestamp: number;
  readonly headers: Headers;
}

/** Whether users write keys of this serde as plain text; all other keys are written as JSON. */
export const isTyped = ({ name, text }: AnySerde): boolean => text === true || name === 'uuid';

/** Half an emoji as `JSON.stringify` writes it, at any depth: it never escapes a whole one. */
const HALF_EMOJI = /(?<!\\)(?:\\\\)*\\ud[89a-f][0-9a-f]{2}/;

/** ISO 8601: a day, a time of day, its offset from UTC. */
const ISO_TIME = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(Z|[+-]\d{2}:?\d{2})?)?$/;

/**
 * Makes a record from a line. The value is the line, byte for byte, unless serdes encode it. The key is the
 * text of its field: a string as it is, null as no key, `{"base64": …}` as bytes, anything else as JSON;
 * serdes encode it if given. A name that is not a field of the line is a path along its dots: `user.id`.
 *
 * Errors: INPUT_INVALID, with the line, if it is not JSON, lacks a field, or a field cannot be a key or a
 * time.
 */
export function inputRecord(line: Line, fields: InputFields, at: string, now: () => number): ParsedLine {
  const where = `${at}:${line.number}`;
  const value = parse(line.bytes, where);
  return {
    number: line.number,
    key: fields.key === undefined ? null : keyOf(fieldOf(value, fields.key, where), fields, where),
    value: fields.withoutValue ? null : bytesOf(line, value, fields.serdes, where),
    headers:
      fields.headers === undefined
        ? Headers.none
        : headersOf(fieldOf(value, fields.headers, where), fields.headers, where),
    timestamp:
      fields.timestamp === undefined
        ? now()
        : timestampOf(fieldOf(value, fields.timestamp, where), fields.timestamp, where),
  };
}

function parse(bytes: Buffer, where: string): unknown {
  if (!isUtf8(bytes)) throw invalid(where, 'cannot read a line', 'bytes that are not UTF-8', 'JSON in UTF-8');
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw invalid(where, 'cannot parse a line', messageOf(error), 'one JSON value per line');
  }
}

function fieldOf(value: unknown, name: string, where: string): unknown {
  const has = (object: unknown, field: string): object is Record<string, unknown> =>
    typeof object === 'object' && object !== null && Object.hasOwn(object, field);
  if (has(value, name)) return ownOf(value, name);
  let found = value;
  for (const part of name.split('.')) {
    if (!has(found, part))
      throw invalid(where, `a line has no field ${show(name)}`, shapeOf(value), 'the field in every line');
    found = ownOf(found, part);
  }
  return found;
}

/** A line is already JSON, and stays as it was written. */
function bytesOf(line: Line, value: unknown, serdes: ShownSerdes | undefined, where: string): Buffer {
  return serdes === undefined || serdes.value.name === 'json'
    ? line.bytes
    : fitting(serdes.value, () => encodeJson(serdes.value, value), where);
}

function fitting(serde: ShownSerdes['value'], encode: () => Buffer, where: string): Buffer {
  try {
    return encode();
  } catch (error) {
    throw invalid(where, `a line cannot be written with serde ${serde.name}`, messageOf(error), 'a value that fits');
  }
}

function keyOf(field: unknown, { key = '', serdes }: InputFields, where: string): Buffer | null {
  if (field === null) return null;
  // Other serdes know which numbers they can encode.
  const found = serdes === undefined || isTyped(serdes.key) ? inexactNumber(field) : undefined;
  if (found !== undefined) {
    throw invalid(
      where,
      `the field ${show(key)} cannot be a key`,
      `the number ${found}, which has lost digits`,
      'a number up to 2^53, or a string',
    );
  }
  // A text key may be a number in the line.
  const text = typeof field === 'string' ? field : JSON.stringify(field);
  if (typeof field === 'string' ? !isWellFormed(field) : HALF_EMOJI.test(text))
    throw invalid(where, `the field ${show(key)} cannot be a key`, show(text), 'text without lone surrogates');
  if (serdes) {
    const { key: serde } = serdes;
    return fitting(serde, () => serde.encode(keyOfForm(serde, isTyped(serde) ? text : field)), where);
  }
  const bytes = bytesOfForm(field);
  return bytes ?? Buffer.from(text);
}

function headersOf(field: unknown, name: string, where: string): Headers {
  const isObject = typeof field === 'object' && field !== null && !Array.isArray(field);
  const entries = isObject ? Object.entries(field) : [];
  const wrong = entries.find(([, value]) => typeof value !== 'string' && value !== null);
  if (isObject && !wrong) return Headers.of(Object.fromEntries(entries) as Record<string, string | null>);
  const saw = wrong ? `the header ${show(wrong[0])} with ${show(wrong[1])}` : show(field);
  throw invalid(where, `the field ${show(name)} cannot be headers`, saw.slice(0, 60), 'an object of texts');
}

function timestampOf(field: unknown, name: string, where: string): number {
  const ms = typeof field === 'string' ? momentOf(field) : field;
  if (typeof ms === 'number' && isMoment(ms)) return ms;
  throw invalid(
    where,
    `the field ${show(name)} is not a time`,
    show(field)?.slice(0, 60) ?? String(field),
    `milliseconds since 1970, up to ${LAST_MOMENT}, or a time as in "2026-01-31T12:00:00Z"`,
  );
}

/**
 * Without an offset it is UTC, as everywhere on the command line: Date would use local time, which differs
 * between machines. NaN if it is not a time.
 */
function momentOf(text: string): number {
  const [, day, clock = '00:00', zone = 'Z'] = ISO_TIME.exec(text) ?? [];
  const midnight = Date.parse(`${day}T00:00Z`);
  // Date reads February 31 as a day in March.
  const isDay = !Number.isNaN(midnight) && new Date(midnight).toISOString().slice(0, 10) === day;
  return isDay ? Date.parse(`${day}T${clock}${zone}`) : Number.NaN;
}

const shapeOf = (value: unknown): string =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? `the fields ${Object.keys(value).slice(0, 10).join(', ') || '(none)'}`
    : `${show(value).slice(0, 60)}`;

const invalid = (at: string, what: string, saw: string, expected: string): StreamsError =>
  new StreamsError('INPUT_INVALID', {
    what,
    at,
    saw,
    expected,
    action: 'Correct the line. The lines before it were sent; this line and those after it were not.',
  });
