import { StreamsError } from '../../model/errors.js';
import type { NamedSchema } from '../schema/model.js';
import { type ParsedSchema, parseSchema } from '../schema/parse.js';
import type { SchemaReference, SchemaRegistry, SchemaSource, StoredSchema } from './port.js';

/** The schema with everything that it refers to. SCHEMA_INVALID if it does not parse, is no Avro, or has rules that millrace would not apply; and the registry's errors. */
export async function resolveSchema(
  registry: SchemaRegistry,
  source: SchemaSource | StoredSchema,
  at: string,
): Promise<ParsedSchema> {
  checkUsable(source, at);
  const named = new Map<string, NamedSchema>();
  for (const reference of source.references) {
    const { defines } = await resolveReference(registry, reference);
    for (const [name, schema] of defines) named.set(name, schema);
  }
  const parsed = parseSchema(source.schema, { at, named });
  return { schema: parsed.schema, defines: new Map([...named, ...parsed.defines]) };
}

async function resolveReference(
  registry: SchemaRegistry,
  { subject, version }: SchemaReference,
): Promise<ParsedSchema> {
  return resolveSchema(registry, await registry.version(subject, version), `version ${version} of ${subject}`);
}

/** SCHEMA_INVALID for a schema that is no Avro, or has rules. */
export function checkUsable(source: SchemaSource | StoredSchema, at: string): void {
  if ('type' in source && source.type !== 'AVRO') {
    throw new StreamsError('SCHEMA_INVALID', {
      what: 'the schema is no Avro',
      at,
      saw: source.type,
      expected: 'AVRO',
      action: 'Read the topic with another serde.',
    });
  }
  if ('hasRules' in source && source.hasRules) {
    throw new StreamsError('SCHEMA_INVALID', {
      what: 'the schema has a ruleSet',
      at,
      saw: 'rules that transform, encrypt or check values',
      expected: 'none: millrace would not apply them, and read or write other values than they demand',
      action: 'Use a schema without rules, or another client for this topic.',
    });
  }
}
