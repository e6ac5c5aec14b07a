import { ownOf } from '../../model/own.js';
import { type Field, hasDefault, type Schema } from './model.js';

/**
 * Checks a default in its JSON form: bytes are a string of characters 0 to 255, a union is its first branch.
 * Returns what is expected instead; undefined if the value is valid. `within`: the fields with defaults that
 * contain this one.
 */
export function checkDefault(schema: Schema, json: unknown, within: readonly Field[]): string | undefined {
  switch (schema.kind) {
    case 'null':
      return json === null ? undefined : 'null';
    case 'boolean':
      return typeof json === 'boolean' ? undefined : 'true or false';
    case 'int':
      return Number.isInteger(json) && (json as number) === ((json as number) | 0)
        ? undefined
        : 'a whole number of 32 bits';
    case 'long':
      return Number.isSafeInteger(json) ? undefined : 'a whole number of at most 2^53 - 1 in size';
    case 'float':
    case 'double':
      return typeof json === 'number' ? undefined : 'a number';
    case 'string':
      return typeof json === 'string' ? undefined : 'a string';
    case 'bytes':
      return isBytes(json) ? undefined : 'a string of characters from U+0000 to U+00FF';
    case 'fixed':
      return isBytes(json) && json.length === schema.size
        ? undefined
        : `a string of ${schema.size} characters from U+0000 to U+00FF`;
    case 'enum':
      return schema.symbols.includes(json as string) ? undefined : `one of ${schema.symbols.join(', ')}`;
    case 'array':
      return Array.isArray(json) ? firstOf(json.map((item) => checkDefault(schema.items, item, within))) : 'an array';
    case 'map':
      return isObject(json)
        ? firstOf(Object.values(json).map((value) => checkDefault(schema.values, value, within)))
        : 'an object';
    case 'union': {
      const first = schema.branches[0] as Schema;
      const wrong = checkDefault(first, json, within);
      return wrong === undefined ? undefined : `a default of the union's first type: ${wrong}`;
    }
    case 'record':
      return isObject(json)
        ? firstOf(
            schema.fields.map((field) => {
              if (Object.hasOwn(json, field.name)) return checkDefault(field.type, ownOf(json, field.name), within);
              if (!hasDefault(field)) return `an object with ${field.name}`;
              if (within.includes(field))
                return `an object with ${field.name}, which would otherwise contain itself without end`;
              return checkDefault(field.type, field.default, [...within, field]);
            }),
          )
        : 'an object';
  }
}

const firstOf = (wrong: readonly (string | undefined)[]): string | undefined => wrong.find((one) => one !== undefined);

const isObject = (json: unknown): json is Readonly<Record<string, unknown>> =>
  typeof json === 'object' && json !== null && !Array.isArray(json);

const isBytes = (json: unknown): json is string =>
  typeof json === 'string' && [...json].every((character) => (character.codePointAt(0) as number) <= 255);
