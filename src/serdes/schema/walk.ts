import { isNamed, type NamedSchema, type Schema } from './model.js';

/**
 * The named types that a schema uses directly: also inside records that it defines itself, but not inside the
 * types that it uses.
 */
export function usedTypes(schema: Schema, defines: ReadonlyMap<string, NamedSchema>): readonly NamedSchema[] {
  const used = new Map<string, NamedSchema>();
  const seen = new Set<Schema>();
  const visit = (one: Schema): void => {
    if (isNamed(one) && defines.get(one.name) !== one) {
      used.set(one.name, one);
      return;
    }
    if (seen.has(one)) return;
    seen.add(one);
    for (const part of partsOf(one)) visit(part);
  };
  visit(schema);
  return [...used.values()];
}

/** The types directly inside a type. */
export function partsOf(schema: Schema): readonly Schema[] {
  switch (schema.kind) {
    case 'record':
      return schema.fields.map(({ type }) => type);
    case 'array':
      return [schema.items];
    case 'map':
      return [schema.values];
    case 'union':
      return schema.branches;
    default:
      return [];
  }
}
