import { isNamed, type Logical, type Schema, simpleName } from './model.js';

/** A type as a person calls it. */
export function showType(schema: Schema): string {
  if (isNamed(schema)) return `${schema.kind} ${simpleName(schema.name)}`;
  if (schema.kind === 'array') return `array of ${showType(schema.items)}`;
  if (schema.kind === 'map') return `map of ${showType(schema.values)}`;
  if (schema.kind === 'union') return `union of ${schema.branches.map(showType).join(', ')}`;
  return schema.logical ? `${schema.kind} (${logicalText(schema.logical)})` : schema.kind;
}

/** A meaning as a person calls it. */
export const logicalText = (logical: Logical): string =>
  logical.name === 'decimal' ? `decimal ${logical.precision},${logical.scale}` : logical.name;
