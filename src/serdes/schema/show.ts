import { isNamed, type Logical, type Schema, simpleName } from './model.js';

/** A type in readable form, with simple or full names. */
export function showType(schema: Schema, nameOf: (name: string) => string = simpleName): string {
  if (isNamed(schema)) return `${schema.kind} ${nameOf(schema.name)}`;
  if (schema.kind === 'array') return `array of ${showType(schema.items, nameOf)}`;
  if (schema.kind === 'map') return `map of ${showType(schema.values, nameOf)}`;
  if (schema.kind === 'union') return `union of ${schema.branches.map((one) => showType(one, nameOf)).join(', ')}`;
  return schema.logical ? `${schema.kind} (${logicalText(schema.logical)})` : schema.kind;
}

/** A logical type in readable form. */
export const logicalText = (logical: Logical): string =>
  logical.name === 'decimal' ? `decimal ${logical.precision},${logical.scale}` : logical.name;
