import { createHash } from 'node:crypto';
import { jsonText } from './json-text.js';
import { type Field, hasDefault, isNamed, type Logical, namespaceOf, type Schema } from './model.js';

/**
 * The schema as JSON in a canonical form, however it was written. Names are full, attributes are in a fixed
 * order, and referenced types are defined at their first use. Docs are left out unless requested; attributes
 * without meaning are always left out. Two schemas with the same text mean the same to every reader and
 * writer.
 */
export function schemaJson(
  schema: Schema,
  { docs = false, defaults = true }: { readonly docs?: boolean; readonly defaults?: boolean } = {},
): unknown {
  const defined = new Set<string>();
  const doc = (one: { readonly doc?: string }): object => (docs && one.doc !== undefined ? { doc: one.doc } : {});
  const aliases = (names: readonly string[]): object => (names.length > 0 ? { aliases: [...names] } : {});
  const fieldJson = (field: Field, around: string): object => ({
    name: field.name,
    ...doc(field),
    ...aliases(field.aliases),
    type: json(field.type, around),
    ...(defaults && hasDefault(field) && { default: field.default }),
    ...(field.order && { order: field.order }),
  });
  /** `around`: the namespace of the enclosing type, which a name without a namespace would get. */
  const json = (one: Schema, around: string): unknown => {
    if (isNamed(one)) {
      const namespace = namespaceOf(one.name);
      const bare = namespace === '' && around !== '';
      if (defined.has(one.name)) return bare ? `.${one.name}` : one.name;
      defined.add(one.name);
      const name = { name: one.name, ...(bare && { namespace }) };
      const head = { type: one.kind, ...name, ...doc(one), ...aliases(one.aliases) };
      if (one.kind === 'record') return { ...head, fields: one.fields.map((field) => fieldJson(field, namespace)) };
      if (one.kind === 'enum')
        return { ...head, symbols: one.symbols, ...(one.default !== undefined && { default: one.default }) };
      return { ...head, size: one.size, ...(one.logical && logicalJson(one.logical)) };
    }
    if (one.kind === 'array') return { type: 'array', items: json(one.items, around) };
    if (one.kind === 'map') return { type: 'map', values: json(one.values, around) };
    if (one.kind === 'union') return one.branches.map((branch) => json(branch, around));
    return one.logical ? { type: one.kind, ...logicalJson(one.logical) } : one.kind;
  };
  return json(schema, '');
}

function logicalJson(logical: Logical): object {
  if (logical.name !== 'decimal') return { logicalType: logical.name };
  return { logicalType: 'decimal', precision: logical.precision, ...(logical.scale > 0 && { scale: logical.scale }) };
}

/** {@link schemaJson} as text: equal if and only if the schemas are. */
export const schemaText = (schema: Schema): string => jsonText(schemaJson(schema));

/** 31 bits of the SHA-256 of a text, never 0: an id for a schema that is the same wherever it is computed. */
export function fingerprint31(text: string): number {
  const bits = createHash('sha256').update(text).digest().readUInt32BE(0) >>> 1;
  return bits === 0 ? 1 : bits;
}

/** A UUID of version 8, computed from a text. */
export function fingerprintUuid(text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
