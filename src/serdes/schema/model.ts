/**
 * An Avro schema, validated and resolved. Names are full, references are the types themselves (a recursive
 * schema is a cycle of objects), and attributes without meaning are dropped. The compatibility check, codecs,
 * generated types and texts are based on it.
 */
export type Schema = Primitive | RecordSchema | EnumSchema | FixedSchema | ArraySchema | MapSchema | UnionSchema;

export type NamedSchema = RecordSchema | EnumSchema | FixedSchema;

export type PrimitiveName = 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'bytes' | 'string';

export interface Primitive {
  readonly kind: PrimitiveName;
  readonly logical?: Logical;
}

/**
 * The logical types that millrace supports. An unknown one, or one that does not fit its underlying type, is
 * left out, as the specification requires.
 */
export type Logical =
  | {
      readonly name: 'date' | 'time-millis' | 'time-micros' | 'timestamp-millis' | 'timestamp-micros' | 'uuid';
    }
  | { readonly name: 'decimal'; readonly precision: number; readonly scale: number };

interface Named {
  /** With its namespace. */
  readonly name: string;
  /** With their namespaces. */
  readonly aliases: readonly string[];
  readonly doc?: string;
}

export interface RecordSchema extends Named {
  readonly kind: 'record';
  readonly fields: readonly Field[];
}

export interface Field {
  readonly name: string;
  readonly type: Schema;
  readonly aliases: readonly string[];
  readonly doc?: string;
  /** In JSON form; a field without a default lacks this property. */
  readonly default?: unknown;
  readonly order?: 'descending' | 'ignore';
}

export interface EnumSchema extends Named {
  readonly kind: 'enum';
  readonly symbols: readonly string[];
  readonly default?: string;
}

export interface FixedSchema extends Named {
  readonly kind: 'fixed';
  readonly size: number;
  readonly logical?: Logical;
}

export interface ArraySchema {
  readonly kind: 'array';
  readonly items: Schema;
}

export interface MapSchema {
  readonly kind: 'map';
  readonly values: Schema;
}

export interface UnionSchema {
  readonly kind: 'union';
  readonly branches: readonly Schema[];
}

export const isNamed = (schema: Schema): schema is NamedSchema =>
  schema.kind === 'record' || schema.kind === 'enum' || schema.kind === 'fixed';

export const hasDefault = (field: Field): boolean => Object.hasOwn(field, 'default');

/** The name after the last dot. */
export const simpleName = (name: string): string => name.slice(name.lastIndexOf('.') + 1);

/** The part before the simple name; empty if there is none. */
export const namespaceOf = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf('.')));

/** Identifies a branch within a union: its full name, or its type. */
export const branchName = (schema: Schema): string => (isNamed(schema) ? schema.name : schema.kind);

/**
 * What a value looks like in JavaScript. Two branches of a union that look alike cannot be distinguished by
 * their values. Such a union is written as an object with one property, the name of the branch.
 */
export function lookOf(
  schema: Schema,
): 'null' | 'boolean' | 'number' | 'string' | 'date' | 'buffer' | 'array' | 'object' {
  const logical = 'logical' in schema ? schema.logical?.name : undefined;
  if (logical === 'timestamp-millis') return 'date';
  if (logical === 'date' || logical === 'uuid' || logical === 'decimal') return 'string';
  switch (schema.kind) {
    case 'null':
    case 'boolean':
    case 'array':
      return schema.kind;
    case 'int':
    case 'long':
    case 'float':
    case 'double':
      return 'number';
    case 'string':
    case 'enum':
      return 'string';
    case 'bytes':
    case 'fixed':
      return 'buffer';
    default:
      return 'object';
  }
}

/** Whether the branches of a union must be named, because two of them look alike. */
export function isWrapped({ branches }: UnionSchema): boolean {
  return new Set(branches.map(lookOf)).size < branches.length;
}
