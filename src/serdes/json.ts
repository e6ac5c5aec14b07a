import type { StandardSchemaV1 } from '@standard-schema/spec';
import { messageOf, StreamsError } from '../model/errors.js';
import { show } from '../model/show.js';
import { inexactNumber } from './exact.js';
import type { Serde } from './serde.js';
import { showBytes, showValue } from './show.js';
import { text } from './text.js';

export interface JsonOptions<T> {
  /**
   * Validates every value, when it is decoded and before it is encoded. Any library with a Standard Schema:
   * valibot, zod, arktype, … It has to answer synchronously.
   */
  readonly schema?: StandardSchemaV1<unknown, T>;
}

const plain: Serde<unknown> = keyed({ name: 'json', encode, decode, check });

/**
 * JSON in UTF-8. Without options it is one shared instance and `T` is only claimed; with a schema it is
 * checked.
 *
 * - What JSON leaves out is left out: inside an object `undefined` and functions vanish, `NaN` and `Infinity`
 *   become `null`, a `Date` becomes a string. At the top `undefined`, functions, symbols and whatever would
 *   be written as `null` and is not (`NaN`) are refused. A bigint or a cycle is refused anywhere.
 * - The literal `null` decodes to `null`, which everything downstream takes for a tombstone.
 * - A schema's result is what `decode` returns (defaults filled in, unknown fields dropped, as the library
 *   does it). `encode` only checks and writes the value as it is; so the schema must accept what it returns.
 *   One that turns a string into a `Date` does not.
 * - As a key a value must be the one that was written: numbers above 2^53 − 1, of which several are read as
 *   one, NaN and Infinity are refused there, also inside objects. Have such ids as JSON strings.
 * - The name is `json` with and without a schema: the schema of a store may change, its bytes stay readable.
 *
 * Errors: CONFIG_INVALID for a schema that is given as it is, not as an option.
 *
 * Cost: one `JSON.parse` or `JSON.stringify` per call, and the schema's own. Throws a plain `Error` (see
 * {@link Serde}); for a schema it lists the path and message of every issue.
 *
 * ```ts
 * serdes.json<{ total: number }>().encode({ total: 7 }); // → {"total":7}
 * ```
 */
export function json<T>(options?: JsonOptions<T>): Serde<T> {
  // JavaScript does not see that the schema is not an option; without this nothing would be validated.
  if (options && '~standard' in options) {
    throw new StreamsError('CONFIG_INVALID', {
      what: 'serdes.json was given a schema in the place of its options',
      saw: 'a schema',
      expected: '{ schema }',
      action: 'Write serdes.json({ schema: … }).',
    });
  }
  // T is a claim of the caller here: there is no schema that could be asked.
  if (!options?.schema) return plain as Serde<T>;
  const { schema } = options;
  return keyed<T>({
    name: 'json',
    encode: (value) => {
      validate(schema, value, 'encode');
      return encode(value);
    },
    decode: (bytes) => validate(schema, decode(bytes), 'decode'),
  });
}

/** With how it is used for keys. */
function keyed<T>(serde: Serde<T>): Serde<T> {
  const checked = (value: T, direction: 'encode' | 'decode'): T => {
    const found = inexactNumber(value);
    if (found === undefined) return value;
    throw new Error(
      `cannot ${direction} a key as JSON: saw the number ${found}, expected at most 2^53 - 1 in size, since larger ones lose digits when they are read (write such ids as strings)`,
    );
  };
  return {
    ...serde,
    asKey: {
      ...serde,
      encode: (value) => serde.encode(checked(value, 'encode')),
      decode: (bytes) => checked(serde.decode(bytes), 'decode'),
      ...(serde.check && { check: (value: T) => serde.check?.(checked(value, 'encode')) }),
    },
  };
}

function encode(value: unknown): Buffer {
  let written: string | undefined;
  try {
    written = JSON.stringify(value);
  } catch (error) {
    throw new Error(
      `cannot encode as JSON: saw ${showValue(value)} (${messageOf(error)}), expected a value without bigints and cycles`,
      {
        cause: error,
      },
    );
  }
  // What is read as null is taken for a tombstone: the row would be there until the task is opened again.
  if (written === undefined || (written === 'null' && value !== null)) {
    throw new Error(
      `cannot encode as JSON: saw ${showValue(value)}, expected an object, array, string, finite number, boolean or null`,
    );
  }
  return Buffer.from(written, 'utf8');
}

/** Deeper values, which may be cycles, are left to `JSON.stringify`. */
const MAX_DEPTH = 32;

/** What is plain is looked at, which costs a fraction of writing it; of all else `encode` itself is asked. */
function check(value: unknown): void {
  const plainly = typeof value === 'number' ? Number.isFinite(value) : value !== undefined && isPlain(value, 0);
  if (!plainly) encode(value);
}

/** Whether JSON surely writes the value. False says nothing. */
function isPlain(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'undefined':
      return true;
    case 'object':
      return value === null || (depth < MAX_DEPTH && isPlainObject(value, depth + 1));
    default:
      return false;
  }
}

function isPlainObject(value: object, depth: number): boolean {
  if ('toJSON' in value || value instanceof BigInt || value instanceof Number) return false;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isPlain(value[i], depth)) return false;
    return true;
  }
  for (const inner of Object.values(value)) if (!isPlain(inner, depth)) return false;
  return true;
}

function decode(bytes: Buffer): unknown {
  if (bytes.length === 0)
    throw new Error('cannot decode JSON: saw no bytes, expected JSON in UTF-8 (a tombstone has no value at all)');
  const written = text(bytes);
  if (written === undefined)
    throw new Error(`cannot decode JSON: saw ${showBytes(bytes)} that are not UTF-8, expected JSON in UTF-8`);
  try {
    return JSON.parse(written);
  } catch (error) {
    throw new Error(`cannot decode JSON: saw ${show(written)} (${messageOf(error)}), expected JSON in UTF-8`, {
      cause: error,
    });
  }
}

function validate<T>(schema: StandardSchemaV1<unknown, T>, value: unknown, direction: 'encode' | 'decode'): T {
  const result = schema['~standard'].validate(value);
  if (result instanceof Promise) {
    // Nobody awaits it any more, and a rejection nobody handles would end the process.
    result.catch(() => undefined);
    throw new Error(
      `cannot ${direction} JSON: saw a schema of ${schema['~standard'].vendor} that answers with a Promise, expected a synchronous schema`,
    );
  }
  if (result.issues) {
    const issues = result.issues.map((issue) => `${pathOf(issue)}: ${issue.message}`);
    throw new Error(
      `cannot ${direction} JSON: saw a value that its schema refuses (${issues.join('; ')}), expected one that it accepts`,
    );
  }
  return result.value;
}

function pathOf(issue: StandardSchemaV1.Issue): string {
  const path = issue.path?.map((segment) => String(typeof segment === 'object' ? segment.key : segment)) ?? [];
  return path.length === 0 ? 'the value itself' : path.join('.');
}
