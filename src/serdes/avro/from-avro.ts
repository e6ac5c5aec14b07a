/**
 * The TypeScript types of Avro schemas, computed from a schema in the code. {@link FromAvro} describes them.
 */

/**
 * An Avro schema in JSON form: the name of a type, an object, or an array for a union. Write it in place, or
 * `as const`, so that TypeScript infers its literal type.
 */
export type AvroSchema = string | AvroObject | readonly AvroSchema[];

export interface AvroObject {
  readonly type: AvroSchema;
  readonly [attribute: string]: unknown;
}

interface Primitives {
  readonly null: null;
  readonly boolean: boolean;
  readonly int: number;
  readonly long: number;
  readonly float: number;
  readonly double: number;
  readonly bytes: Buffer;
  readonly string: string;
}

/**
 * How values with a logical type look; never: it has none, or one that does not fit the underlying type,
 * which counts as none.
 */
type Meaning<S> = S extends { readonly type: 'long'; readonly logicalType: 'timestamp-millis' }
  ? 'date'
  : S extends
        | { readonly type: 'int'; readonly logicalType: 'date' }
        | { readonly type: 'bytes' | 'fixed'; readonly logicalType: 'decimal'; readonly precision: number }
        | { readonly type: 'string'; readonly logicalType: 'uuid' }
        | { readonly type: 'fixed'; readonly logicalType: 'uuid'; readonly size: 16 }
    ? 'string'
    : never;

/**
 * The type of values that are read with an Avro schema.
 *
 * | Avro | TypeScript |
 * |---|---|
 * | null, boolean, string | `null`, `boolean`, `string` |
 * | int, long, float, double | `number`; a long beyond 2^53 − 1 is refused |
 * | bytes, fixed | `Buffer` |
 * | enum | the union of its symbols |
 * | array, map, record | array, object, object |
 * | union | one of its types, as it is: `string \| null`. If two of them look alike in JavaScript (two records, a string and an enum), an object with one property, the name of the type: `{ 'shop.Paid': … } \| { 'shop.Sent': … }` |
 * | date | `string`: `"2026-01-31"` |
 * | time-millis, time-micros | `number` since midnight |
 * | timestamp-millis | `Date` |
 * | timestamp-micros | `number` of microseconds since 1970 |
 * | decimal | `string` with as many digits after the point as the scale: `"12.50"` |
 * | uuid | `string`, in lower case |
 *
 * A name refers to the type that the schema defines under it; names are compared without namespaces. A name
 * that the schema does not define (it comes from a reference) is `unknown`. For schemas in files, `millrace
 * schema generate` writes the same types.
 *
 * ```ts
 * import type { FromAvro } from 'millrace/avro';
 *
 * const paid = { type: 'record', name: 'Paid', fields: [{ name: 'id', type: 'string' }, { name: 'note', type: ['null', 'string'], default: null }] } as const;
 * type Paid = FromAvro<typeof paid>; // { id: string; note: string | null }
 * ```
 */
export type FromAvro<S> = Value<S, S, 'read', ''>;

/**
 * The type of values that are written with an Avro schema: like {@link FromAvro}, but fields with a default
 * may be left out.
 */
export type ToAvro<S> = Value<S, S, 'write', ''>;

/** Whether the type of a schema, or of a part of it, is too general: the computation would never end. */
type IsVague<S> = 0 extends 1 & S ? true : string extends S ? true : false;

type Way = 'read' | 'write';

/**
 * The value of a schema inside another one (Root), read or written, in the namespace of the enclosing type
 * (Ns).
 */
type Value<S, Root, W extends Way, Ns extends string> = IsVague<S> extends true ? unknown : Known<S, Root, W, Ns>;

type Known<S, Root, W extends Way, Ns extends string> = S extends keyof Primitives
  ? Primitives[S]
  : S extends string
    ? Defined<Definition<S, Root, ''>, Root, W>
    : S extends readonly unknown[]
      ? Union<S, Root, W, Ns>
      : S extends { readonly type: infer T }
        ? IsVague<T> extends true
          ? unknown
          : Typed<S, T, Root, W, Ns>
        : unknown;

type Typed<S, T, Root, W extends Way, Ns extends string> = [Meaning<S>] extends [never]
  ? Plain<S, T, Root, W, Ns>
  : Meaning<S> extends 'date'
    ? Date
    : string;

type Plain<S, T, Root, W extends Way, Ns extends string> = T extends 'record' | 'error'
  ? S extends { readonly fields: infer F extends readonly unknown[] }
    ? IsVague<F[number]> extends true
      ? unknown
      : Fields<F, Root, W, Namespace<S, Ns>>
    : unknown
  : T extends 'enum'
    ? S extends { readonly symbols: readonly (infer One)[] }
      ? One
      : unknown
    : T extends 'array'
      ? S extends { readonly items: infer I }
        ? Value<I, Root, W, Ns>[]
        : unknown
      : T extends 'map'
        ? S extends { readonly values: infer V }
          ? { [key: string]: Value<V, Root, W, Ns> }
          : unknown
        : T extends 'fixed'
          ? Buffer
          : Value<T, Root, W, Ns>;

interface Named {
  readonly name: string;
  readonly type: unknown;
}

/** Whether a field may be left out. */
type Optional<F, W extends Way> = W extends 'read' ? false : F extends { readonly default: unknown } ? true : false;

type NameIf<F, W extends Way, Wanted extends boolean> = F extends Named
  ? Optional<F, W> extends Wanted
    ? F['name']
    : never
  : never;

type Fields<F extends readonly unknown[], Root, W extends Way, Ns extends string> = Flat<
  {
    [Field in F[number] as NameIf<Field, W, false>]: Field extends Named ? Value<Field['type'], Root, W, Ns> : never;
  } & {
    [Field in F[number] as NameIf<Field, W, true>]?: Field extends Named
      ? Value<Field['type'], Root, W, Ns> | undefined
      : never;
  }
>;

type Flat<T> = { [K in keyof T]: T[K] };

type Union<B extends readonly unknown[], Root, W extends Way, Ns extends string> =
  Alike<B, Root> extends true ? Branches<B, Root, W, Ns> : Value<B[number], Root, W, Ns>;

/** Each branch under its name, null as it is. */
type Branches<B extends readonly unknown[], Root, W extends Way, Ns extends string> = {
  [I in keyof B]: B[I] extends 'null' ? null : { [Name in BranchName<B[I], Root, Ns>]: Value<B[I], Root, W, Ns> };
}[number];

type BranchName<S, Root, Ns extends string> =
  IsVague<S> extends true
    ? string
    : S extends keyof Primitives
      ? S
      : S extends string
        ? [Definition<S, Root, ''>] extends [never]
          ? S
          : Definition<S, Root, ''> extends readonly [infer D, infer Space extends string]
            ? FullName<D, Space>
            : S
        : S extends { readonly name: string }
          ? FullName<S, Ns>
          : S extends { readonly type: infer T }
            ? BranchName<T, Root, Ns>
            : never;

/** The namespace of a named type, which also applies to the types inside it. */
type Namespace<S, Ns extends string> = S extends { readonly name: `${infer Before}.${infer After}` }
  ? JoinButLast<Before, After>
  : S extends { readonly namespace: infer Space extends string }
    ? Space
    : Ns;

type JoinButLast<Before extends string, After extends string> = After extends `${infer Next}.${infer Rest}`
  ? JoinButLast<`${Before}.${Next}`, Rest>
  : Before;

type FullName<S, Ns extends string> = S extends { readonly name: infer N extends string }
  ? N extends `${string}.${string}`
    ? N
    : Namespace<S, Ns> extends ''
      ? N
      : `${Namespace<S, Ns>}.${N}`
  : never;

/** Whether two branches look alike. */
type Alike<B extends readonly unknown[], Root, Seen = never> = B extends readonly [infer First, ...infer Rest]
  ? Look<First, Root> extends Seen
    ? true
    : Alike<Rest, Root, Seen | Look<First, Root>>
  : false;

type Look<S, Root> =
  IsVague<S> extends true
    ? 'object'
    : S extends 'null' | 'boolean'
      ? S
      : S extends 'int' | 'long' | 'float' | 'double'
        ? 'number'
        : S extends 'string'
          ? 'string'
          : S extends 'bytes'
            ? 'buffer'
            : S extends string
              ? Definition<S, Root, ''> extends readonly [infer D, unknown]
                ? LookOfObject<D, Root>
                : 'object'
              : LookOfObject<S, Root>;

type LookOfObject<S, Root> = [Meaning<S>] extends [never]
  ? S extends { readonly type: 'enum' }
    ? 'string'
    : S extends { readonly type: 'fixed' }
      ? 'buffer'
      : S extends { readonly type: 'array' }
        ? 'array'
        : S extends { readonly type: 'record' | 'error' | 'map' }
          ? 'object'
          : S extends { readonly type: infer T }
            ? Look<T, Root>
            : 'object'
  : Meaning<S>;

type Defined<D, Root, W extends Way> = [D] extends [never]
  ? unknown
  : D extends readonly [infer S, infer Ns extends string]
    ? Value<S, Root, W, Ns>
    : never;

type Simple<Name extends string> = Name extends `${string}.${infer Rest}` ? Simple<Rest> : Name;

/**
 * The type that is defined under a name anywhere in the schema, with its enclosing namespace; never if there
 * is none.
 */
type Definition<Name extends string, S, Ns extends string> =
  IsVague<S> extends true
    ? never
    : S extends readonly unknown[]
      ? Definition<Name, S[number], Ns>
      : S extends { readonly name: infer N extends string; readonly type: 'record' | 'error' | 'enum' | 'fixed' }
        ? Simple<N> extends Simple<Name>
          ? readonly [S, Ns]
          : S extends { readonly fields: readonly { readonly type: infer T }[] }
            ? Definition<Name, T, Namespace<S, Ns>>
            : never
        : S extends { readonly items: infer I }
          ? Definition<Name, I, Ns>
          : S extends { readonly values: infer V }
            ? Definition<Name, V, Ns>
            : S extends { readonly type: infer T }
              ? Definition<Name, T, Ns>
              : never;
