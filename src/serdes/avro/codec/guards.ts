import { ownOf, setOwn } from '../../../model/own.js';
import { type AvscType, type InnerType, type Tap, truncated, types } from './avsc.js';
import { branchFor, type ResolverOptions } from './branches.js';
import { guardedRecord } from './records.js';
import { GuardedBytes, GuardedInt, GuardedLong, GuardedString, readString, take, writeString } from './scalars.js';

/**
 * The types of avsc with readers that trust the bytes, or writers that trust the value, extended with the
 * missing checks. They check for invalid lengths, counts without items, texts that are not UTF-8, and symbols
 * and keys that are names of Object's own properties. Bytes that are not Avro therefore end in an error, at a
 * cost proportional to their size.
 */

/**
 * Items of arrays and maps that take no byte (null, an empty record) still cost memory; more of them in one
 * value are refused.
 */
const MAX_EMPTY = 65_536;
/** The number of items in the next block; 0 after the last one. */
function blockCount(tap: Tap): number {
  const count = tap.readLong();
  if (count < 0) tap.skipLong();
  if (!Number.isSafeInteger(count)) throw new Error('saw an invalid count of items');
  return Math.abs(count);
}

/** Checks an item that was read or skipped: there may be no bytes left for it, or it may have taken none. */
function checkItem(tap: Tap, start: number): void {
  if (tap.pos > tap.buf.length) throw truncated();
  if (tap.pos !== start) return;
  tap.empty = (tap.empty ?? 0) + 1;
  if (tap.empty > MAX_EMPTY) throw new Error(`saw more than ${MAX_EMPTY} items that take no byte`);
}

function skipBlocks(tap: Tap, skipItem: () => void): void {
  for (let count = tap.readLong(); count !== 0; count = tap.readLong()) {
    if (count < 0) {
      take(tap);
      continue;
    }
    if (!Number.isSafeInteger(count)) throw new Error('saw an invalid count of items');
    while (count-- > 0) {
      const start = tap.pos;
      skipItem();
      checkItem(tap, start);
    }
  }
}

class GuardedArray extends types.ArrayType {
  _read(tap: Tap): unknown[] {
    // A resolver's types, if a resolver calls this.
    const items = this.itemsType as unknown as InnerType;
    const values: unknown[] = [];
    for (let count = blockCount(tap); count !== 0; count = blockCount(tap)) {
      while (count-- > 0) {
        const start = tap.pos;
        values.push(items._read(tap));
        checkItem(tap, start);
      }
    }
    return values;
  }

  _skip(tap: Tap): void {
    const items = this.itemsType as unknown as InnerType;
    skipBlocks(tap, () => items._skip(tap));
  }
}

class GuardedMap extends types.MapType {
  _read(tap: Tap): Record<string, unknown> {
    const valuesType = this.valuesType as InnerType;
    const values: Record<string, unknown> = {};
    for (let count = blockCount(tap); count !== 0; count = blockCount(tap)) {
      while (count-- > 0) {
        const start = tap.pos;
        const key = readString(tap);
        const value = valuesType._read(tap);
        setOwn(values, key, value);
        checkItem(tap, start);
      }
    }
    return values;
  }

  _skip(tap: Tap): void {
    const valuesType = this.valuesType as InnerType;
    skipBlocks(tap, () => {
      take(tap);
      valuesType._skip(tap);
    });
  }

  _write(tap: Tap, value: unknown): void {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('saw no object');
    const valuesType = this.valuesType as InnerType;
    const keys = Object.keys(value);
    if (keys.length > 0) {
      tap.writeLong(keys.length);
      for (const key of keys) {
        writeString(tap, key);
        valuesType._write(tap, ownOf(value as Record<string, unknown>, key));
      }
    }
    tap.writeLong(0);
  }
}

/** Skips the branch that the bytes select. */
function skipBranch(branches: readonly AvscType[], tap: Tap): void {
  const index = tap.readLong();
  const branch = branches[index] as unknown as InnerType | undefined;
  if (!branch) throw new Error(`saw the branch ${index} of a union that has ${branches.length}`);
  branch._skip(tap);
}

/** A union with branches that never look alike: the value itself, identified by its look. */
class PlainUnion extends types.UnwrappedUnionType {
  declare readonly _bucketIndices: Record<string, number>;

  _getIndex(value: unknown): number | undefined {
    return this._bucketIndices[lookOfValue(value)];
  }

  _skip(tap: Tap): void {
    skipBranch(this.types, tap);
  }

  _update(resolver: { _read: unknown }, writer: AvscType, options: ResolverOptions): void {
    const inner = branchFor(this.types, writer, options)?.resolver;
    if (inner) resolver._read = (tap: Tap) => inner._read(tap);
  }
}

class NamedUnion extends types.WrappedUnionType {
  declare readonly _branchIndices: Record<string, number>;

  _skip(tap: Tap): void {
    skipBranch(this.types, tap);
  }

  _update(resolver: { _read: unknown }, writer: AvscType, options: ResolverOptions): void {
    const found = branchFor(this.types, writer, options);
    if (!found) return;
    const { branch, resolver: inner } = found;
    const { _branchConstructor: Branch } = branch as unknown as {
      readonly _branchConstructor?: new (value: unknown) => object;
    };
    resolver._read = Branch ? (tap: Tap) => new Branch(inner._read(tap)) : () => null;
  }
}

function lookOfValue(value: unknown): string {
  if (typeof value !== 'object') return typeof value;
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (Buffer.isBuffer(value)) return 'buffer';
  return value instanceof Date ? 'date' : 'object';
}

/** How values of a type look, in the same words as `lookOf` of a schema. */
function lookOfType({ typeName }: AvscType): string {
  switch (typeName) {
    case 'logical:timestamp-millis':
      return 'date';
    case 'logical:date':
    case 'logical:uuid':
    case 'logical:decimal':
    case 'enum':
      return 'string';
    case 'int':
    case 'long':
    case 'float':
    case 'double':
      return 'number';
    case 'bytes':
    case 'fixed':
      return 'buffer';
    case 'map':
    case 'record':
      return 'object';
    default:
      return typeName;
  }
}

/** Removes Object's own names: an enum has no symbol "constructor" unless it defines one. */
const bare = (indices: object): void => void Object.setPrototypeOf(indices, null);

/** Makes avsc create plain objects where it would use a constructor. */
const plain = (make: unknown): void => {
  if (typeof make === 'function') make.prototype = Object.prototype;
};

export const branched = <T extends AvscType>(type: T): T => {
  plain((type as unknown as { readonly _branchConstructor: unknown })._branchConstructor);
  return type;
};

type Options = ConstructorParameters<typeof types.RecordType>[1];

const primitives: Readonly<Record<string, AvscType>> = {
  null: new types.NullType(),
  boolean: branched(new types.BooleanType()),
  int: branched(new GuardedInt()),
  long: branched(new GuardedLong()),
  float: branched(new types.FloatType()),
  double: branched(new types.DoubleType()),
  bytes: branched(new GuardedBytes()),
  string: branched(new GuardedString()),
};

export const primitive = (name: string): AvscType | undefined => ownOf(primitives, name);

export function union(branches: readonly AvscType[], options: Options): AvscType {
  const looks = branches.map(lookOfType);
  if (new Set(looks).size < looks.length) {
    const named = new NamedUnion(branches as never, options);
    bare(named._branchIndices);
    return named;
  }
  const unnamed = new PlainUnion(branches as never, options);
  bare(unnamed._bucketIndices);
  looks.forEach((look, index) => {
    unnamed._bucketIndices[look] = index;
  });
  return unnamed;
}

/** A guarded type; undefined if it is not an object with a known type. */
export function complex(given: { readonly type?: unknown }, options: Options): AvscType | undefined {
  // avsc declares this parameter for schemas that users write; schemaJson made this one.
  const schema = given as never;
  const { type: name } = given;
  switch (name) {
    case 'array':
      return branched(new GuardedArray(schema, options));
    case 'map':
      return branched(new GuardedMap(schema, options));
    case 'enum': {
      const type = branched(new types.EnumType(schema, options));
      bare((type as unknown as { readonly _indices: object })._indices);
      return type;
    }
    case 'fixed':
      return branched(new types.FixedType(schema, options));
    case 'record': {
      const type = branched(guardedRecord(given, options as object));
      plain(type.recordConstructor);
      return type;
    }
    default:
      return typeof name === 'string' ? primitive(name) : undefined;
  }
}
