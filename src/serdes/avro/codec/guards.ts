import { ownOf, setOwn } from '../../../model/own.js';
import { type AvscType, type InnerType, type Tap, truncated, types } from './avsc.js';
import { branchFor, type ResolverOptions } from './branches.js';
import { guardedRecord } from './records.js';
import { GuardedBytes, GuardedInt, GuardedLong, GuardedString, readString, take, writeString } from './scalars.js';

/**
 * The types of avsc whose readers trust the bytes, or whose writers trust the value, with what they leave
 * out: lengths that are no lengths, counts that nothing follows, texts that are no UTF-8, symbols and keys
 * that are names of Object's own properties. So bytes that are no Avro end in an error, at the cost of what
 * they hold and no more.
 */

/**
 * Items of arrays and maps that take no byte (null, an empty record) cost memory all the same; more of them
 * in one value are refused.
 */
const MAX_EMPTY = 65_536;
/** How many items come next; 0: none any more. */
function blockCount(tap: Tap): number {
  const count = tap.readLong();
  if (count < 0) tap.skipLong();
  if (!Number.isSafeInteger(count)) throw new Error('saw a count of items that is none');
  return Math.abs(count);
}

/** Looks at an item that was read, or skipped: nothing was there for it, or it took no room. */
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
    if (!Number.isSafeInteger(count)) throw new Error('saw a count of items that is none');
    while (count-- > 0) {
      const start = tap.pos;
      skipItem();
      checkItem(tap, start);
    }
  }
}

class GuardedArray extends types.ArrayType {
  _read(tap: Tap): unknown[] {
    // Of a resolver, when it is one that calls.
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

/** Skips the branch that the bytes name. */
function skipBranch(branches: readonly AvscType[], tap: Tap): void {
  const index = tap.readLong();
  const branch = branches[index] as unknown as InnerType | undefined;
  if (!branch) throw new Error(`saw the branch ${index} of a union that has ${branches.length}`);
  branch._skip(tap);
}

/** Branches that no two values look alike of: the value itself, told by its look. */
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

/** How values of a type look; the same words as `lookOf` of a schema has. */
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

/** Without Object's own names in them: an enum has no symbol "constructor" unless it says so. */
const bare = (indices: object): void => void Object.setPrototypeOf(indices, null);

/** A value that avsc makes by a constructor, as a plain object. */
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

/** A type of its own; undefined for what is no object with a type. */
export function complex(given: { readonly type?: unknown }, options: Options): AvscType | undefined {
  // Declared for schemas as people write them; this one was made by schemaJson.
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
