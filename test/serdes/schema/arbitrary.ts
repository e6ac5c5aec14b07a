import fc from 'fast-check';
import { branchName, isWrapped, type Schema } from '#src/serdes/schema/model.js';

/** Random Avro schemas as JSON, with names that are all different, and random values of a schema. */

type Json = string | readonly Json[] | { readonly [key: string]: unknown };

const LEAVES: readonly Json[] = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'];

const LOGICAL: readonly Json[] = [
  { type: 'int', logicalType: 'date' },
  { type: 'int', logicalType: 'time-millis' },
  { type: 'long', logicalType: 'time-micros' },
  { type: 'long', logicalType: 'timestamp-millis' },
  { type: 'long', logicalType: 'timestamp-micros' },
  { type: 'bytes', logicalType: 'decimal', precision: 20, scale: 4 },
  { type: 'string', logicalType: 'uuid' },
];

const { json } = fc.letrec<{ json: Json; leaf: Json; nested: Json }>((tie) => ({
  json: fc.oneof({ maxDepth: 4, depthSize: 'small' }, tie('leaf'), tie('nested')),
  leaf: fc.oneof(
    fc.constantFrom(...LEAVES),
    fc.constantFrom(...LOGICAL),
    fc.uniqueArray(fc.constantFrom('A', 'B', 'C', 'D'), { minLength: 1 }).map((symbols) => ({ type: 'enum', symbols })),
    fc.integer({ min: 0, max: 20 }).map((size) => ({ type: 'fixed', size })),
    fc.constant({ type: 'fixed', size: 16, logicalType: 'uuid' }),
    fc.constant({ type: 'fixed', size: 9, logicalType: 'decimal', precision: 20, scale: 2 }),
  ),
  nested: fc.oneof(
    tie('json').map((items) => ({ type: 'array', items })),
    tie('json').map((values) => ({ type: 'map', values })),
    fc
      .uniqueArray(tie('json'), { minLength: 1, maxLength: 4, selector: branchOf })
      .map((branches) => branches.filter((branch) => !Array.isArray(branch)))
      .filter((branches) => branches.length > 0),
    fc.array(tie('json'), { maxLength: 5 }).map((types) => ({ type: 'record', fields: types })),
  ),
}));

/** A type may have none inside one that has. */
const NAMESPACES = ['random', '', 'random.inner'] as const;

/** What a union may hold once. */
function branchOf(json: Json): string {
  if (typeof json === 'string') return json;
  const { type } = json as { readonly type?: string };
  return ['record', 'enum', 'fixed'].includes(type ?? '') ? JSON.stringify(json) : String(type);
}

/** With names for everything that needs one. */
function named(given: Json): Json {
  let count = 0;
  const visit = (one: Json): Json => {
    if (typeof one === 'string') return one;
    if (Array.isArray(one)) return one.map(visit);
    const object = one as { readonly [key: string]: Json };
    const name = `T${count++}`;
    const namespace = NAMESPACES[count % NAMESPACES.length] as string;
    switch (object.type) {
      case 'array':
        return { ...object, items: visit(object.items as Json) };
      case 'map':
        return { ...object, values: visit(object.values as Json) };
      case 'record':
        return {
          ...object,
          name,
          namespace,
          fields: (object.fields as readonly Json[]).map((type, i) => ({ name: `f${i}`, type: visit(type) })),
        };
      case 'enum':
      case 'fixed':
        return { ...object, name, namespace };
      default:
        return object;
    }
  };
  return visit(given);
}

export const schemas = (json as fc.Arbitrary<Json>).map(named);

const wellFormed = fc.string({ unit: 'grapheme' });

/** Values of a schema, as they come back when they are decoded. */
export function valuesOf(schema: Schema): fc.Arbitrary<unknown> {
  const logical = 'logical' in schema ? schema.logical : undefined;
  switch (logical?.name) {
    case 'date':
      return fc
        .integer({ min: -700_000, max: 2_000_000 })
        .map((day) => new Date(day * 86_400_000).toISOString().slice(0, -14));
    case 'timestamp-millis':
      return fc.date({ noInvalidDate: true });
    case 'uuid':
      return fc.uuid();
    case 'decimal': {
      const { scale } = logical;
      return fc.bigInt({ min: -(10n ** 19n), max: 10n ** 19n }).map((unscaled) => {
        const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
        return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
      });
    }
  }
  switch (schema.kind) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'int':
      return fc.integer();
    case 'long':
      // Beyond it avsc is not exact, to which ours is compared.
      return fc.integer({ min: -(2 ** 52) + 1, max: 2 ** 52 - 2 });
    case 'float':
      return fc.float();
    case 'double':
      return fc.double();
    case 'bytes':
      return fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    case 'fixed':
      return fc.uint8Array({ minLength: schema.size, maxLength: schema.size }).map((bytes) => Buffer.from(bytes));
    case 'string':
      return wellFormed;
    case 'enum':
      return fc.constantFrom(...schema.symbols);
    case 'array':
      return fc.array(valuesOf(schema.items), { maxLength: 5 });
    case 'map':
      return fc.dictionary(fc.oneof(wellFormed, fc.constant('__proto__')), valuesOf(schema.values), {
        maxKeys: 5,
        noNullPrototype: true,
      });
    case 'record':
      return fc.record(Object.fromEntries(schema.fields.map(({ name, type }) => [name, valuesOf(type)])), {
        noNullPrototype: true,
      });
    case 'union': {
      const wrapped = isWrapped(schema);
      return fc.oneof(
        ...schema.branches.map((branch) =>
          wrapped && branch.kind !== 'null'
            ? valuesOf(branch).map((value) => ({ [branchName(branch)]: value }))
            : valuesOf(branch),
        ),
      );
    }
  }
}
