import { isNamed, type Schema, simpleName } from './model.js';

/** A type as a person calls it. */
export function showType(schema: Schema): string {
  if (isNamed(schema)) return `${schema.kind} ${simpleName(schema.name)}`;
  if (schema.kind === 'array') return `array of ${showType(schema.items)}`;
  if (schema.kind === 'map') return `map of ${showType(schema.values)}`;
  if (schema.kind === 'union') return `union of ${schema.branches.map(showType).join(', ')}`;
  if (schema.logical?.name === 'decimal')
    return `${schema.kind} (decimal ${schema.logical.precision},${schema.logical.scale})`;
  return schema.logical ? `${schema.kind} (${schema.logical.name})` : schema.kind;
}
