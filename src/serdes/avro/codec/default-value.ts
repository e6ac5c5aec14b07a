import { ownOf } from '../../../model/own.js';
import type { Schema } from '../../schema/model.js';
import { branchName, isWrapped } from '../../schema/model.js';
import { logicalValue } from './logical.js';

/**
 * The value of a default, which the schema gives as JSON by rules of its own: bytes as characters up to
 * U+00FF, a union as its first branch, and a record without those fields that have a default themselves. Made
 * anew each time, since it belongs to whoever reads it. That the JSON fits is checked where the schema is
 * parsed.
 *
 * Not by avsc: it takes the defaults inside a default for JSON though they are values by then, and makes them
 * while types are still incomplete, of schemas whose defaults nobody needs, too.
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
      // Properties are defined, not assigned: a key may be "__proto__".
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

/** What a logical type says that the value underneath is. */
function meant(schema: Schema, value: unknown): unknown {
  const logical = 'logical' in schema ? schema.logical : undefined;
  return logical ? logicalValue(logical, value) : value;
}
