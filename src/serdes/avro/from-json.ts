import { ownOf } from '../../model/own.js';
import { show } from '../../model/text/show.js';
import { numberOfForm } from '../key-form.js';
import {
  branchName,
  hasDefault,
  isWrapped,
  type RecordSchema,
  type Schema,
  type UnionSchema,
} from '../schema/model.js';

/**
 * Makes a value of the schema from JSON, as it comes from a file or a command line. {@link FromAvro}
 * describes the value. Times are text (`"2026-01-31T12:00:00Z"`; UTC if there is no offset) or milliseconds,
 * and bytes are `{"base64": "…"}`. Fields with a default may be left out. Encoding checks whether everything
 * fits; this function throws a plain `Error` only for what cannot be converted at all.
 */
export function fromJson(schema: Schema, json: unknown, path = ''): unknown {
  const logical = 'logical' in schema ? schema.logical?.name : undefined;
  if (logical === 'timestamp-millis') return timeOf(json, path);
  if (logical !== undefined) return json;
  switch (schema.kind) {
    case 'bytes':
    case 'fixed':
      return bytesOf(json, path);
    case 'float':
    case 'double':
      return numberOfForm(json) ?? json;
    case 'array':
      return Array.isArray(json) ? json.map((item, i) => fromJson(schema.items, item, `${path}[${i}]`)) : json;
    case 'map':
      return isObject(json) ? mapValues(json, (value, key) => fromJson(schema.values, value, `${path}.${key}`)) : json;
    case 'record':
      return isObject(json) ? recordOf(schema, json, path) : json;
    case 'union':
      return unionOf(schema, json, path);
    default:
      return json;
  }
}

function recordOf(schema: RecordSchema, json: Json, path: string): Json {
  const unknown = Object.keys(json).find((name) => !schema.fields.some((field) => field.name === name));
  if (unknown !== undefined)
    throw unfit(
      path,
      `the field ${show(unknown)}`,
      `fields of ${schema.name}: ${schema.fields.map(({ name }) => name).join(', ')}`,
    );
  const missing = schema.fields.find((field) => !Object.hasOwn(json, field.name) && !hasDefault(field));
  if (missing) throw unfit(path, `no field ${show(missing.name)}`, 'it, since it has no default');
  return Object.fromEntries(
    schema.fields
      .filter(({ name }) => Object.hasOwn(json, name))
      .map(({ name, type }) => [name, fromJson(type, ownOf(json, name), `${path}.${name}`)]),
  );
}

function unionOf(schema: UnionSchema, json: unknown, path: string): unknown {
  const { branches } = schema;
  if (json === null) return null;
  if (isWrapped(schema)) {
    const name = isObject(json) ? (Object.keys(json)[0] ?? '') : '';
    const branch = branches.find((one) => branchName(one) === name);
    if (!branch) throw unfit(path, show(json), `an object with one of ${branches.map(branchName).join(', ')}`);
    return { [name]: fromJson(branch, ownOf(json as Json, name), `${path}.${name}`) };
  }
  // A text may be a time or a string: branches that look different as values may look alike as JSON.
  let reason: unknown;
  for (const branch of branches.filter(({ kind }) => kind !== 'null')) {
    if (!resembles(branch, json)) continue;
    try {
      return fromJson(branch, json, path);
    } catch (error) {
      reason = error;
    }
  }
  throw reason ?? unfit(path, show(json), `one of ${branches.map(branchName).join(', ')}`);
}

function resembles(schema: Schema, json: unknown): boolean {
  const logical = 'logical' in schema ? schema.logical?.name : undefined;
  if (logical === 'timestamp-millis') return typeof json === 'number' || typeof json === 'string';
  if (logical === 'date' || logical === 'uuid' || logical === 'decimal') return typeof json === 'string';
  switch (schema.kind) {
    case 'boolean':
      return typeof json === 'boolean';
    case 'int':
    case 'long':
      return typeof json === 'number';
    case 'float':
    case 'double':
      return numberOfForm(json) !== undefined;
    case 'string':
    case 'enum':
      return typeof json === 'string';
    case 'bytes':
    case 'fixed':
      return isObject(json) && Object.hasOwn(json, 'base64');
    case 'array':
      return Array.isArray(json);
    default:
      return isObject(json);
  }
}

type Json = Readonly<Record<string, unknown>>;

const isObject = (json: unknown): json is Json => typeof json === 'object' && json !== null && !Array.isArray(json);

const mapValues = (json: Json, change: (value: unknown, key: string) => unknown): Json =>
  Object.fromEntries(Object.entries(json).map(([key, value]) => [key, change(value, key)]));

/** ISO 8601, as a Date is written. */
const TIME = /^((?:[+-]\d{6}|\d{4})-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(Z|[+-]\d{2}:\d{2})?)?$/;

/**
 * A time without an offset is UTC. Date would take it for local time, which differs between machines, and
 * would accept "order 7" as a day in July.
 */
function momentOf(text: string): number {
  const [, day, clock = '00:00', zone = 'Z'] = TIME.exec(text) ?? [];
  const midnight = new Date(`${day}T00:00Z`);
  // Date would take the 30th of February for the 2nd of March.
  const isDay = !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(`${day}T`);
  return isDay ? Date.parse(`${day}T${clock}${zone}`) : Number.NaN;
}

function timeOf(json: unknown, path: string): Date {
  const time = typeof json === 'string' ? momentOf(json) : json;
  const date = typeof time === 'number' ? new Date(time) : undefined;
  if (date && !Number.isNaN(date.getTime())) return date;
  throw unfit(path, show(json), 'milliseconds since 1970, or a time as in "2026-01-31T12:00:00Z"');
}

function bytesOf(json: unknown, path: string): Buffer {
  if (isObject(json) && typeof json.base64 === 'string') return Buffer.from(json.base64, 'base64');
  throw unfit(path, show(json), 'bytes as {"base64": "…"}');
}

const unfit = (path: string, saw: string, expected: string): Error =>
  new Error(
    `cannot make Avro from JSON: saw ${saw} in ${path.replace(/^\./, '') || 'the value itself'}, expected ${expected}`,
  );
