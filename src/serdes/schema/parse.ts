import { messageOf, StreamsError } from '../../model/errors.js';
import { ownOf } from '../../model/own.js';
import { show } from '../../model/text/show.js';
import { isDeeper } from '../json-depth.js';
import { checkDefault } from './defaults.js';
import { logicalOf } from './logical.js';
import type { EnumSchema, Field, FixedSchema, NamedSchema, PrimitiveName, RecordSchema, Schema } from './model.js';

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Properties that every object inherits: a field of that name would be confused with them. */
const isInherited = (name: string): boolean => Object.hasOwn(Object.prototype, name);
/** The internal name of a field, symbol or alias: an inherited name gets a prefix, everywhere alike. */
const hidden = (name: string): string => (isInherited(name) ? `hidden__${name}` : name);
const PRIMITIVES: readonly string[] = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'];
/** No real schema nests deeper. */
const MAX_DEPTH = 200;
/** A type takes three levels of JSON in a record: its fields, a field, its type. */
const MAX_JSON_DEPTH = 4 * MAX_DEPTH;

export interface ParseOptions {
  /** Identifies the schema in errors: a file, or a subject and version. */
  readonly at?: string;
  /** Types that the schema may refer to, by full name. */
  readonly named?: ReadonlyMap<string, NamedSchema>;
  /**
   * The schema was used for writing, and is only used to read that data. Its defaults are not checked,
   * because the data has all its fields. Default: false.
   */
  readonly isWriters?: boolean;
  /**
   * Fields and symbols with the name of an inherited property (`constructor`) get a name that no value has. A
   * reader, which cannot have such names, then skips them. Default: such schemas are refused.
   */
  readonly hidesInherited?: boolean;
}

/** A schema, and the types that it defines itself, in the order of their definition. */
export interface ParsedSchema {
  readonly schema: Schema;
  readonly defines: ReadonlyMap<string, NamedSchema>;
}

/**
 * Validates and resolves an Avro schema, given as JSON text or parsed JSON. SCHEMA_INVALID names the problem
 * and its place.
 */
export function parseSchema(source: unknown, options: ParseOptions = {}): ParsedSchema {
  const json = typeof source === 'string' ? jsonOf(source, options.at) : source;
  const parser = new Parser(options);
  const schema = parser.type(json, '', 'the schema', 0);
  // The depth of types is already limited; this limits defaults, which recursive functions process.
  if (isDeeper(json, MAX_JSON_DEPTH))
    throw invalid(options.at, 'the schema nests too deeply', `more than ${MAX_JSON_DEPTH} levels of JSON`, 'fewer');
  if (!options.isWriters) parser.checkDefaults();
  return { schema, defines: parser.defines };
}

/**
 * Parses JSON text; the bare name of a primitive type is accepted too, as in registries. SCHEMA_INVALID for
 * anything else.
 */
export function jsonOf(text: string, at?: string): unknown {
  if (PRIMITIVES.includes(text)) return text;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(at, 'the schema is not JSON', messageOf(error), 'an Avro schema as JSON', error);
  }
}

type Json = Readonly<Record<string, unknown>>;

class Parser {
  readonly defines = new Map<string, NamedSchema>();
  readonly #options: ParseOptions;
  readonly #withDefaults: { readonly field: Field; readonly path: string }[] = [];

  constructor(options: ParseOptions) {
    this.#options = options;
  }

  type(json: unknown, namespace: string, path: string, depth: number): Schema {
    if (depth > MAX_DEPTH) throw this.#fail(path, `types that are nested more than ${MAX_DEPTH} deep`, 'fewer');
    if (typeof json === 'string') return this.#reference(json, namespace, path);
    if (Array.isArray(json)) return this.#union(json, namespace, path, depth);
    if (typeof json !== 'object' || json === null)
      throw this.#fail(path, show(json), 'a type: a name, an object or an array');
    const object = json as Json;
    const { type } = object;
    switch (type) {
      case 'record':
      case 'error':
        return this.#record(object, namespace, path, depth);
      case 'enum':
        return this.#enum(object, namespace, path);
      case 'fixed':
        return this.#fixed(object, namespace, path);
      case 'array':
        return {
          kind: 'array',
          items: this.type(this.#need(object, 'items', path), namespace, `${path}[]`, depth + 1),
        };
      case 'map':
        return {
          kind: 'map',
          values: this.type(this.#need(object, 'values', path), namespace, `${path}{}`, depth + 1),
        };
      default:
        if (typeof type === 'string' && PRIMITIVES.includes(type)) {
          const kind = type as PrimitiveName;
          const logical = logicalOf(kind, undefined, object);
          return logical ? { kind, logical } : { kind };
        }
        if (type === undefined) throw this.#fail(path, 'an object without "type"', 'a type');
        return this.type(type, namespace, path, depth + 1);
    }
  }

  /** Called once all types are complete: the type of a default may refer to itself. */
  checkDefaults(): void {
    for (const { field, path } of this.#withDefaults) {
      const wrong = checkDefault(field.type, field.default, [field]);
      if (wrong) throw this.#fail(path, `the default ${show(field.default)}`, wrong);
    }
  }

  #reference(name: string, namespace: string, path: string): Schema {
    if (PRIMITIVES.includes(name)) return { kind: name as PrimitiveName };
    const full = name.includes('.') || namespace === '' ? name.replace(/^\./, '') : `${namespace}.${name}`;
    const found = this.#find(full) ?? this.#find(name);
    if (found) return found;
    throw this.#fail(path, `the type ${show(name)}`, 'a type of Avro, or one that is defined before it is used');
  }

  #find(name: string): NamedSchema | undefined {
    return this.defines.get(name) ?? this.#options.named?.get(name);
  }

  #union(json: readonly unknown[], namespace: string, path: string, depth: number): Schema {
    const branches = json.map((branch, index) => this.type(branch, namespace, `${path}|${index}`, depth + 1));
    if (branches.length === 0) throw this.#fail(path, 'a union of no types', 'at least one');
    const seen = new Set<string>();
    for (const branch of branches) {
      if (branch.kind === 'union') throw this.#fail(path, 'a union inside a union', 'its types in the outer union');
      const name = 'name' in branch ? branch.name : branch.kind;
      if (seen.has(name)) throw this.#fail(path, `${name} twice in a union`, 'each type once');
      seen.add(name);
    }
    return { kind: 'union', branches };
  }

  #record(json: Json, outer: string, path: string, depth: number): RecordSchema {
    const { name, namespace, aliases } = this.#name(json, outer, path);
    const fields: Field[] = [];
    const record: RecordSchema = { kind: 'record', name, aliases, fields, ...docOf(json) };
    this.#define(record, path);
    const given = json.fields;
    if (!Array.isArray(given)) throw this.#fail(path, `${name} without an array "fields"`, 'its fields');
    const names = new Set<string>();
    for (const one of given as readonly Json[]) {
      const field = this.#field(one, namespace, name, depth);
      if (names.has(field.name)) throw this.#fail(`${name}.${field.name}`, 'the field twice', 'each name once');
      names.add(field.name);
      fields.push(field);
    }
    return record;
  }

  #field(json: Json, namespace: string, record: string, depth: number): Field {
    if (typeof json !== 'object' || json === null)
      throw this.#fail(record, show(json), 'a field with a name and a type');
    const { name } = json;
    if (typeof name !== 'string' || !NAME.test(name) || this.#isRefused(name))
      throw this.#fail(
        record,
        `a field named ${show(name)}`,
        'a name of letters, digits and _ that is not a property of every JavaScript object',
      );
    const path = `${record}.${name}`;
    const { order } = json;
    const field: Field = {
      name: hidden(name),
      type: this.type(this.#need(json, 'type', path), namespace, path, depth + 1),
      aliases: this.#aliases(json, path),
      ...docOf(json),
      ...(Object.hasOwn(json, 'default') && { default: json.default }),
      ...((order === 'descending' || order === 'ignore') && { order }),
    };
    if (Object.hasOwn(json, 'default')) this.#withDefaults.push({ field, path });
    return field;
  }

  /**
   * Whether a field or symbol of that name is refused, because values cannot have a property of that name.
   */
  #isRefused(name: string): boolean {
    return !this.#options.hidesInherited && isInherited(name);
  }

  #enum(json: Json, outer: string, path: string): EnumSchema {
    const { name, aliases } = this.#name(json, outer, path);
    const symbols = json.symbols as readonly string[];
    if (
      !Array.isArray(symbols) ||
      symbols.length === 0 ||
      !symbols.every((one) => typeof one === 'string' && NAME.test(one) && !this.#isRefused(one))
    )
      throw this.#fail(
        name,
        `the symbols ${show(symbols)}`,
        'at least one, each of letters, digits and _, and none that is a property of every JavaScript object',
      );
    if (new Set(symbols).size < symbols.length) throw this.#fail(name, 'a symbol twice', 'each symbol once');
    const fallback = !this.#options.isWriters || symbols.includes(json.default as string) ? json.default : undefined;
    if (fallback !== undefined && !symbols.includes(fallback as string))
      throw this.#fail(name, `the default ${show(fallback)}`, 'one of its symbols');
    const schema: EnumSchema = {
      kind: 'enum',
      name,
      aliases,
      symbols: symbols.map(hidden),
      ...docOf(json),
      ...(fallback !== undefined && { default: hidden(fallback as string) }),
    };
    return this.#define(schema, path);
  }

  #fixed(json: Json, outer: string, path: string): FixedSchema {
    const { name, aliases } = this.#name(json, outer, path);
    const { size } = json;
    if (!(Number.isInteger(size) && (size as number) >= 0 && (size as number) < 2 ** 31))
      throw this.#fail(name, `the size ${show(size)}`, 'a number of bytes');
    const logical = logicalOf('fixed', size as number, json);
    const schema: FixedSchema = {
      kind: 'fixed',
      name,
      aliases,
      size: size as number,
      ...docOf(json),
      ...(logical && { logical }),
    };
    return this.#define(schema, path);
  }

  #define<T extends NamedSchema>(schema: T, path: string): T {
    if (this.#find(schema.name))
      throw this.#fail(path, `${schema.name} defined twice`, 'one definition, and its name elsewhere');
    this.defines.set(schema.name, schema);
    return schema;
  }

  #name(json: Json, outer: string, path: string): { name: string; namespace: string; aliases: readonly string[] } {
    const { name: given, namespace: space } = json;
    if (typeof given !== 'string') throw this.#fail(path, `the name ${show(given)}`, 'a name');
    const dot = given.lastIndexOf('.');
    const namespace = dot >= 0 ? given.slice(0, dot) : typeof space === 'string' ? space : outer;
    const simple = given.slice(dot + 1);
    const parts = [...(namespace === '' ? [] : namespace.split('.')), simple];
    if (!parts.every((part) => NAME.test(part)) || PRIMITIVES.includes(simple) || isInherited(simple))
      throw this.#fail(
        path,
        `the name ${show(given)}`,
        'letters, digits and _, in parts with dots between them, and not the name of a primitive type',
      );
    const qualify = (alias: string): string =>
      alias.includes('.') || namespace === '' ? alias : `${namespace}.${alias}`;
    return { name: parts.join('.'), namespace, aliases: this.#aliases(json, path).map(qualify) };
  }

  #aliases(json: Json, path: string): readonly string[] {
    const { aliases = [] } = json;
    if (Array.isArray(aliases) && aliases.every((alias) => typeof alias === 'string')) return aliases.map(hidden);
    throw this.#fail(path, `the aliases ${show(aliases)}`, 'an array of names');
  }

  #need(json: Json, attribute: string, path: string): unknown {
    const needed = ownOf(json, attribute);
    if (needed !== undefined) return needed;
    throw this.#fail(path, `no "${attribute}"`, 'a type there');
  }

  #fail(path: string, saw: string, expected: string): StreamsError {
    return invalid(this.#options.at, `a schema is wrong in ${path}`, saw, expected);
  }
}

const docOf = ({ doc }: Json): { doc?: string } => (typeof doc === 'string' ? { doc } : {});

const invalid = (at: string | undefined, what: string, saw: string, expected: string, cause?: unknown): StreamsError =>
  new StreamsError('SCHEMA_INVALID', {
    what,
    ...(at !== undefined && { at }),
    saw,
    expected,
    action: 'Correct the schema.',
    cause,
  });
