import type { StandardSchemaV1 } from '@standard-schema/spec';
import { messageOf, StreamsError } from '../model/errors.js';
import { show } from '../model/text/show.js';
import { inexactNumber } from './exact.js';
import type { Serde } from './serde.js';
import { showBytes, showValue } from './show.js';
import { text } from './text.js';

export interface JsonOptions<T> {
  /**
   * Validates every value when it is decoded and before it is encoded. Accepts any library with a Standard
   * Schema: valibot, zod, arktype, … The schema must validate synchronously.
   */
  readonly schema?: StandardSchemaV1<unknown, T>;
}

const plain: Serde<unknown> = keyed({ name: 'json', encode, decode, check });

/**
 * JSON in UTF-8. Without options it is one shared instance, and `T` is an unchecked claim; a schema checks
 * it.
 *
 * - It leaves out what JSON leaves out. Inside an object `undefined` and functions disappear, `NaN` and
 *   `Infinity` become `null`, a `Date` becomes a string. At the top level it refuses `undefined`, functions,
 *   symbols, and any value other than `null` that JSON would write as `null` (`NaN`). It refuses a bigint or
 *   a cycle at any level.
 * - The literal `null` decodes to `null`, which all operators treat as a tombstone.
 * - `decode` returns the schema's result: defaults are filled in and unknown fields dropped, as the library
 *   does it. `encode` only validates, and writes the original value. The schema must therefore accept its own
 *   results; one that turns a string into a `Date` does not.
 * - A key must decode to exactly the value that was encoded. Keys therefore refuse NaN, Infinity and numbers
 *   above 2^53 − 1, of which several are read as the same number. That includes numbers inside objects. Write
 *   such ids as JSON strings.
 * - The name is `json` with and without a schema: the schema of a store may change, and its bytes stay
 *   readable.
 *
 * Errors: CONFIG_INVALID for a schema that is passed in place of the options.
 *
 * Cost: one `JSON.parse` or `JSON.stringify` per call, plus the schema's own cost. Throws a plain `Error`
 * (see {@link Serde}); a schema's error lists path and message of every issue.
 *
 * ```ts
 * serdes.json<{ total: number }>().encode({ total: 7 }); // → {"total":7}
 * ```
 */
export function json<T>(options?: JsonOptions<T>): Serde<T> {
  // JavaScript callers can pass a schema in place of the options; without this check nothing would be
  // validated.
  if (options && '~standard' in options) {
    throw new StreamsError('CONFIG_INVALID', {
      what: 'serdes.json got a schema in place of its options',
      saw: 'a schema',
      expected: '{ schema }',
      action: 'Write serdes.json({ schema: … }).',
    });
  }
  // Without a schema, T is an unchecked claim of the caller.
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

/** Adds the variant for keys. */
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
  // A value that is read as null becomes a tombstone: its row would disappear when the task is opened again.
  if (written === undefined || (written === 'null' && value !== null)) {
    throw new Error(
      `cannot encode as JSON: saw ${showValue(value)}, expected an object, array, string, finite number, boolean or null`,
    );
  }
  return Buffer.from(written, 'utf8');
}

/** Deeper values, which may be cycles, are left to `JSON.stringify`. */
const MAX_DEPTH = 32;

/** Inspects plain values, which costs a fraction of writing them; runs `encode` for all others. */
function check(value: unknown): void {
  const plainly = typeof value === 'number' ? Number.isFinite(value) : value !== undefined && isPlain(value, 0);
  if (!plainly) encode(value);
}

/** True if JSON can certainly write the value. False is inconclusive. */
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
    // The promise is not awaited, and an unhandled rejection would end the process.
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
