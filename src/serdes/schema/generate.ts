import { commentCode, propertyCode, stringCode } from '../../model/code-text.js';
import {
  branchName,
  hasDefault,
  isNamed,
  isWrapped,
  type NamedSchema,
  type RecordSchema,
  type Schema,
  simpleName,
} from './model.js';
import { partsOf, usedTypes } from './walk.js';

/** A schema in a file, for which types are generated. */
export interface SchemaFile {
  /** The file name without `.avsc`; the types are written to a file of that name with `.ts`. */
  readonly name: string;
  /** The text of the schema: the generated file passes it to `avro`. */
  readonly text: string;
  readonly schema: Schema;
  /** The types that the schema itself defines. */
  readonly defines: ReadonlyMap<string, NamedSchema>;
}

/** The first line of each generated file, by which it is recognized. */
export const GENERATED = '// Written by millrace schema generate';

/** Global names that the generated code uses. */
const RESERVED: readonly string[] = [
  'Date',
  'Buffer',
  'String',
  'Number',
  'Boolean',
  'Object',
  'Symbol',
  'Array',
  'Record',
];

/**
 * TypeScript types for Avro schemas. Each file gets the text of the schema and, for each type that the schema
 * defines, two types. One is for reading (`Order`), one for writing (`OrderInput`, where fields with a
 * default are optional). Types of other files are imported. A type has its simple name, or its full name if
 * several types share the simple name. If the name is taken, it is prefixed with `Avro`. The values are the
 * same as for `FromAvro` and `ToAvro`.
 */
export function generateTypes(files: readonly SchemaFile[]): ReadonlyMap<string, string> {
  const names = typeNames(files);
  const lax = withDefaults(files);
  return new Map(files.map((file) => [`${file.name}.ts`, new Writer(file, files, names, lax).file()]));
}

/** The TypeScript name of each named type. */
function typeNames(files: readonly SchemaFile[]): ReadonlyMap<string, string> {
  const all = files.flatMap(({ defines }) => [...defines.keys()]);
  const count = (name: string): number => all.filter((other) => capitalized(simpleName(other)) === name).length;
  const wanted = all.map((full) => {
    const simple = capitalized(simpleName(full));
    return [full, count(simple) > 1 ? full.split('.').map(capitalized).join('') : simple] as const;
  });
  const taken = new Set(RESERVED);
  // Shorter names first: an `OrderInput` yields to the input type of an `Order`.
  const given = wanted
    .toSorted(([, a], [, b]) => a.length - b.length)
    .map(([full, name]) => [full, freeName(name, taken)] as const);
  return new Map(given);
}

/** Finds a name that is free, also for its input type, and marks both as taken. */
function freeName(name: string, taken: Set<string>): string {
  let free = name;
  while (taken.has(free) || taken.has(`${free}Input`)) free = `Avro${free}`;
  taken.add(free);
  taken.add(`${free}Input`);
  return free;
}

/** Records with an input type that differs from the read type: they, or types inside them, have a default. */
function withDefaults(files: readonly SchemaFile[]): ReadonlySet<Schema> {
  const records = files.flatMap(({ defines }) => [...defines.values()]).filter((schema) => schema.kind === 'record');
  const lax = new Set<Schema>(records.filter(({ fields }) => fields.some(hasDefault)));
  const holdsLax = (schema: Schema): boolean =>
    schema.kind === 'record' ? lax.has(schema) : partsOf(schema).some(holdsLax);
  for (let before = -1; before < lax.size; ) {
    before = lax.size;
    for (const record of records) if (record.fields.some(({ type }) => holdsLax(type))) lax.add(record);
  }
  return lax;
}

class Writer {
  readonly #file: SchemaFile;
  readonly #files: readonly SchemaFile[];
  readonly #names: ReadonlyMap<string, string>;
  readonly #lax: ReadonlySet<Schema>;

  constructor(
    file: SchemaFile,
    files: readonly SchemaFile[],
    names: ReadonlyMap<string, string>,
    lax: ReadonlySet<Schema>,
  ) {
    this.#file = file;
    this.#files = files;
    this.#names = names;
    this.#lax = lax;
  }

  file(): string {
    const { name, text, schema, defines } = this.#file;
    const base = identifier(name);
    const constant = `${base.charAt(0).toLowerCase()}${base.slice(1)}Schema`;
    const own = freeName(base, new Set([...this.#names.values()].flatMap((type) => [type, `${type}Input`])));
    const blocks = [
      `${GENERATED} from ${commentCode(name)}.avsc: change the schema, then generate this file again.`,
      ...this.#imports(),
      `/** The schema, for \`avro\`. */\nexport const ${constant}: string = ${stringCode(text)};`,
      ...[...defines.values()].map((one) => this.#definition(one)),
    ];
    if (!isNamed(schema))
      blocks.push(
        `export type ${own} = ${this.#type(schema, false)};\n\nexport type ${own}Input = ${this.#type(schema, true)};`,
      );
    return `${blocks.join('\n\n')}\n`;
  }

  #imports(): readonly string[] {
    const used = usedTypes(this.#file.schema, this.#file.defines);
    const lines = this.#files.flatMap((other) => {
      const names = used
        .filter((type) => other !== this.#file && other.defines.get(type.name) === type)
        .flatMap((type) => this.#both(type));
      return names.length > 0
        ? [`import type { ${names.sort().join(', ')} } from ${stringCode(`./${other.name}.js`)};`]
        : [];
    });
    return lines.length > 0 ? [lines.join('\n')] : [];
  }

  #both(type: NamedSchema): readonly string[] {
    const name = this.#names.get(type.name) as string;
    return this.#lax.has(type) ? [name, `${name}Input`] : [name];
  }

  #definition(schema: NamedSchema): string {
    const name = this.#names.get(schema.name) as string;
    const doc = comment(schema.doc, '');
    if (schema.kind === 'fixed') return `${doc}export type ${name} = ${this.#underlying(schema)};`;
    if (schema.kind === 'enum') return `${doc}export type ${name} = ${schema.symbols.map(stringCode).join(' | ')};`;
    const read = `${doc}export interface ${name} {\n${this.#fields(schema, false)}}`;
    const input = this.#lax.has(schema)
      ? `export interface ${name}Input {\n${this.#fields(schema, true)}}`
      : `export type ${name}Input = ${name};`;
    return `${read}\n\n/** {@link ${name}} for writing: fields with a default may be left out. */\n${input}`;
  }

  #fields({ fields }: RecordSchema, input: boolean): string {
    return fields
      .map((field) => {
        const optional = input && hasDefault(field);
        const type = this.#type(field.type, input);
        return `${comment(field.doc, '  ')}  readonly ${field.name}${optional ? '?' : ''}: ${type}${optional ? ' | undefined' : ''};\n`;
      })
      .join('');
  }

  #type(schema: Schema, input: boolean): string {
    switch (schema.kind) {
      case 'record': {
        const name = this.#names.get(schema.name) as string;
        return input && this.#lax.has(schema) ? `${name}Input` : name;
      }
      case 'enum':
      case 'fixed':
        return this.#names.get(schema.name) as string;
      case 'array':
        return `readonly ${parenthesized(this.#type(schema.items, input))}[]`;
      case 'map':
        return `{ readonly [key: string]: ${this.#type(schema.values, input)} }`;
      case 'union':
        return this.#union(schema, input);
      default:
        return this.#underlying(schema);
    }
  }

  #union(schema: Extract<Schema, { kind: 'union' }>, input: boolean): string {
    const wrapped = isWrapped(schema);
    const types = schema.branches.map((branch) => {
      const type = this.#type(branch, input);
      return wrapped && branch.kind !== 'null' ? `{ readonly ${propertyCode(branchName(branch))}: ${type} }` : type;
    });
    return types.map((type) => (type.startsWith('readonly ') ? `(${type})` : type)).join(' | ');
  }

  #underlying(schema: Schema): string {
    const logical = 'logical' in schema ? schema.logical?.name : undefined;
    if (logical === 'timestamp-millis') return 'Date';
    if (logical === 'date' || logical === 'uuid' || logical === 'decimal') return 'string';
    if (schema.kind === 'null' || schema.kind === 'boolean' || schema.kind === 'string') return schema.kind;
    return schema.kind === 'bytes' || schema.kind === 'fixed' ? 'Buffer' : 'number';
  }
}

const capitalized = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);

/** `orders-value` → `OrdersValue`. */
const identifier = (name: string): string => {
  const joined = name
    .split(/[^A-Za-z0-9]+/)
    .map(capitalized)
    .join('');
  return /^[A-Za-z]/.test(joined) ? joined : `Schema${joined}`;
};

const parenthesized = (type: string): string => (/[ |]/.test(type) ? `(${type})` : type);

function comment(doc: string | undefined, indent: string): string {
  if (doc === undefined || doc.trim() === '') return '';
  const lines = doc
    .trim()
    .replaceAll('*/', '*\\/')
    .split(/\r\n|[\n\r\u2028\u2029]/)
    .map(commentCode);
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd()).join('\n')}\n${indent} */\n`;
}
