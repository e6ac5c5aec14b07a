import { ownOf } from '../../../model/own.js';
import type { Schema } from '../../schema/model.js';
import { branchName, isWrapped } from '../../schema/model.js';
import { logicalValue } from './logical.js';

/**
 * The value of a default. The schema gives it as JSON with rules of its own. Bytes are characters up to
 * U+00FF, a union is its first branch, and a record lacks the fields that have a default themselves. Each
 * call makes a new value, because it belongs to the reader. The parser of the schema has checked that the
 * JSON fits.
 *
 * avsc is not used for this. It treats defaults inside a default as JSON although they are already values. It
 * also makes defaults while types are still incomplete, even for schemas that never need their defaults.
 */
export function defaultValue(schema: Schema, json: unknown): unknown {
  switch (schema.kind) {
    case 'bytes':
    case 'fixed':
      return meant(schema, Buffer.from(json as string, 'latin1'));
    case 'float':
      return Math.fround(json as number);
    case 'array':
      return (json as readonly unknown[]).map((item) => defaultValue(schema.items, item));
    case 'map':
      // Properties are defined, not assigned, because a key may be "__proto__".
      return Object.fromEntries(
        Object.entries(json as object).map(([key, value]) => [key, defaultValue(schema.values, value)]),
      );
    case 'union': {
      const branch = schema.branches[0] as Schema;
      const value = defaultValue(branch, json);
      return value !== null && isWrapped(schema) ? { [branchName(branch)]: value } : value;
    }
    case 'record':
      return Object.fromEntries(
        schema.fields.map(({ name, type, default: own }) => [
          name,
          defaultValue(type, Object.hasOwn(json as object, name) ? ownOf(json as Record<string, unknown>, name) : own),
        ]),
      );
    default:
      return meant(schema, json);
  }
}

/** Converts an underlying value according to its logical type. */
function meant(schema: Schema, value: unknown): unknown {
  const logical = 'logical' in schema ? schema.logical : undefined;
  return logical ? logicalValue(logical, value) : value;
}
