import { StreamsError } from '../../model/errors.js';
import type { NamedSchema } from '../schema/model.js';
import { type ParsedSchema, type ParseOptions, parseSchema } from '../schema/parse.js';
import type { SchemaReference, SchemaRegistry, SchemaSource, StoredSchema } from './port.js';

type ResolveOptions = Pick<ParseOptions, 'isWriters' | 'hidesInherited'>;

/**
 * How many schemas one may refer to, directly or indirectly: more than any real schema. The content of a
 * registry must not keep a process busy.
 */
const MAX_REFERENCES = 1_000;
/** Limit for all their characters together: the same number as the limit for the bytes of a response. */
const MAX_CHARACTERS = 16 * 1024 * 1024;

/**
 * The schema with everything that it refers to. SCHEMA_INVALID if it does not parse, is not Avro, refers to
 * itself or to too many others, or has rules, which millrace would not apply. Also throws the registry's
 * errors.
 */
export function resolveSchema(
  registry: SchemaRegistry,
  source: SchemaSource | StoredSchema,
  at: string,
  options: ResolveOptions = {},
): Promise<ParsedSchema> {
  return new Resolution(registry, options).resolve(source, at);
}

/**
 * The references of one schema: each version is fetched and parsed once, however many references lead to it.
 */
class Resolution {
  readonly #registry: SchemaRegistry;
  readonly #options: ResolveOptions;
  readonly #found = new Map<string, ParsedSchema>();
  /** The path from the schema to the reference that is being resolved. */
  readonly #way = new Set<string>();
  #count = 0;
  #characters = 0;

  constructor(registry: SchemaRegistry, options: ResolveOptions) {
    this.#registry = registry;
    this.#options = options;
  }

  async resolve(source: SchemaSource | StoredSchema, at: string): Promise<ParsedSchema> {
    checkUsable(source, at);
    this.#characters += source.schema.length;
    if (this.#characters > MAX_CHARACTERS)
      throw tangled(at, `more than ${MAX_CHARACTERS} characters, with the references`, 'fewer');
    const named = new Map<string, NamedSchema>();
    for (const reference of source.references) {
      const { defines } = await this.#reference(reference, at);
      for (const [name, schema] of defines) named.set(name, schema);
    }
    const parsed = parseSchema(source.schema, { ...this.#options, at, named });
    return { schema: parsed.schema, defines: new Map([...named, ...parsed.defines]) };
  }

  async #reference({ subject, version }: SchemaReference, from: string): Promise<ParsedSchema> {
    const name = `version ${version} of ${subject}`;
    const known = this.#found.get(name);
    if (known) return known;
    if (this.#way.has(name)) throw tangled(from, `a reference to ${name}, which refers back`, 'no circular reference');
    if (++this.#count > MAX_REFERENCES) throw tangled(from, `more than ${MAX_REFERENCES} references`, 'fewer');
    this.#way.add(name);
    const resolved = await this.resolve(await this.#registry.version(subject, version), name);
    this.#way.delete(name);
    this.#found.set(name, resolved);
    return resolved;
  }
}

const tangled = (at: string, saw: string, expected: string): StreamsError =>
  new StreamsError('SCHEMA_INVALID', {
    what: 'the references of a schema cannot be resolved',
    at,
    saw,
    expected,
    action: 'Correct the references where the schema is registered.',
  });

/** SCHEMA_INVALID for a schema that is not Avro, or has rules. */
export function checkUsable(source: SchemaSource | StoredSchema, at: string): void {
  if ('type' in source && source.type !== 'AVRO') {
    throw new StreamsError('SCHEMA_INVALID', {
      what: 'the schema is not Avro',
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
      expected: 'none: millrace would not apply them, and would read or write other values than they require',
      action: 'Use a schema without rules, or another client for this topic.',
    });
  }
}
