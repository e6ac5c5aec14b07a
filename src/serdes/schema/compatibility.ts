import {
  type EnumSchema,
  type Field,
  type FixedSchema,
  hasDefault,
  type Logical,
  type PrimitiveName,
  type RecordSchema,
  type Schema,
  simpleName,
} from './model.js';
import { showType } from './show.js';

/**
 * The compatibility modes between a new schema and earlier ones, as in Confluent's registry. TRANSITIVE
 * compares with all earlier schemas, the others with the last one.
 */
export const COMPATIBILITIES = [
  'NONE',
  'BACKWARD',
  'BACKWARD_TRANSITIVE',
  'FORWARD',
  'FORWARD_TRANSITIVE',
  'FULL',
  'FULL_TRANSITIVE',
] as const;

export type Compatibility = (typeof COMPATIBILITIES)[number];

export interface Incompatibility {
  /** The place in the reader's schema. */
  readonly path: string;
  readonly reason: string;
}

/** The types that a number can be read as without loss. */
const PROMOTIONS: Readonly<Partial<Record<PrimitiveName, readonly PrimitiveName[]>>> = {
  int: ['long', 'float', 'double'],
  long: ['float', 'double'],
  float: ['double'],
  string: ['bytes'],
  bytes: ['string'],
};

/**
 * Everything that keeps a reader from reading what a writer wrote, by the rules of Avro's schema resolution;
 * empty if it can. Names are compared without namespaces, and with the reader's aliases. Stricter than other
 * checks in one point, because the value would be misread. A decimal of another scale or as text is refused,
 * and so is a time of another kind or unit.
 */
export function incompatibilities(reader: Schema, writer: Schema): readonly Incompatibility[] {
  return new Resolution().compare(reader, writer, nameOf(reader));
}

const nameOf = (schema: Schema): string => ('name' in schema ? simpleName(schema.name) : 'the value');

class Resolution {
  /** Pairs of records that are being or were compared: a recursive schema leads back to them. */
  readonly #seen = new Map<RecordSchema, Set<RecordSchema>>();

  compare(reader: Schema, writer: Schema, path: string): readonly Incompatibility[] {
    if (writer.kind === 'union') {
      return writer.branches.flatMap((branch) => {
        const wrong = this.compare(reader, branch, path);
        return wrong.length === 0
          ? []
          : [
              {
                path,
                reason: `${showType(branch)}, which may have been written there, cannot be read as ${showType(reader)}${because(wrong, path)}`,
              },
            ];
      });
    }
    if (reader.kind === 'union') return this.#union(reader.branches, writer, path);
    if (reader.kind === 'record' && writer.kind === 'record') return this.#record(reader, writer, path);
    if (reader.kind === 'enum' && writer.kind === 'enum') return this.#enum(reader, writer, path);
    if (reader.kind === 'fixed' && writer.kind === 'fixed') return this.#fixed(reader, writer, path);
    if (reader.kind === 'array' && writer.kind === 'array')
      return this.compare(reader.items, writer.items, `${path}[]`);
    if (reader.kind === 'map' && writer.kind === 'map') return this.compare(reader.values, writer.values, `${path}{}`);
    const promoted = PROMOTIONS[writer.kind as PrimitiveName]?.includes(reader.kind as PrimitiveName);
    if (reader.kind === writer.kind || promoted) return meanings(reader, writer, path);
    return [{ path, reason: `it was ${showType(writer)} and is now ${showType(reader)}, which cannot read it` }];
  }

  #union(branches: readonly Schema[], writer: Schema, path: string): readonly Incompatibility[] {
    const attempts = branches.map((branch) => this.compare(branch, writer, path));
    if (attempts.some((wrong) => wrong.length === 0)) return [];
    const akin = attempts[branches.findIndex((branch) => branch.kind === writer.kind)];
    return (
      akin ?? [
        {
          path,
          reason: `${showType(writer)} was written there, which is none of ${branches.map((branch) => showType(branch)).join(', ')}`,
        },
      ]
    );
  }

  #record(reader: RecordSchema, writer: RecordSchema, path: string): readonly Incompatibility[] {
    const seen = this.#seen.get(reader) ?? new Set();
    this.#seen.set(reader, seen);
    if (seen.has(writer)) return [];
    seen.add(writer);
    const found: Incompatibility[] = [...names(reader, writer, path)];
    for (const field of reader.fields) {
      const written = writtenAs(field, writer);
      const at = `${path}.${field.name}`;
      if (written.length > 1)
        found.push({
          path: at,
          reason: `its name and aliases match several fields that were written: ${written.map(({ name }) => name).join(', ')}`,
        });
      else if (written[0]) found.push(...this.compare(field.type, written[0].type, at));
      else if (!hasDefault(field))
        found.push({ path: at, reason: 'the field has no default, and was not written before' });
    }
    // A pair that is incompatible must not count as compatible where the schema leads back to it.
    if (found.length > 0) seen.delete(writer);
    return found;
  }

  #enum(reader: EnumSchema, writer: EnumSchema, path: string): readonly Incompatibility[] {
    const gone = writer.symbols.filter((symbol) => !reader.symbols.includes(symbol));
    const missing =
      gone.length === 0 || reader.default !== undefined
        ? []
        : [{ path, reason: `the enum no longer has ${gone.join(', ')}, and has no default for unknown symbols` }];
    return [...names(reader, writer, path), ...missing];
  }

  #fixed(reader: FixedSchema, writer: FixedSchema, path: string): readonly Incompatibility[] {
    const size =
      reader.size === writer.size ? [] : [{ path, reason: `it had ${writer.size} bytes and now has ${reader.size}` }];
    return [...names(reader, writer, path), ...size, ...meanings(reader, writer, path)];
  }
}

/** The writer's fields that match a reader's field, by its name or an alias. */
const writtenAs = (field: Field, writer: RecordSchema): readonly Field[] =>
  writer.fields.filter(({ name }) => name === field.name || field.aliases.includes(name));

function names(
  reader: RecordSchema | EnumSchema | FixedSchema,
  writer: { readonly name: string },
  path: string,
): readonly Incompatibility[] {
  if (sameName(reader, writer.name)) return [];
  return [{ path, reason: `it was named ${writer.name} and is now ${reader.name}, without an alias for the old name` }];
}

/** Whether a reader's type matches that name. */
const sameName = (reader: { readonly name: string; readonly aliases: readonly string[] }, name: string): boolean =>
  [reader.name, ...reader.aliases].some((own) => simpleName(own) === simpleName(name));

/** Values that can be read, but with another meaning. */
function meanings(reader: Schema, writer: Schema, path: string): readonly Incompatibility[] {
  const [now, then] = [logicalOf(reader), logicalOf(writer)];
  if (now?.name === 'decimal' && then?.name === 'decimal') {
    if (now.scale === then.scale) return [];
    return [
      {
        path,
        reason: `the decimal had ${then.scale} digits after the point and now has ${now.scale}: what was written would be another number`,
      },
    ];
  }
  if (now?.name === 'decimal' && writer.kind === 'string')
    return [{ path, reason: 'it was string and is now a decimal: a text would be another number' }];
  if (then?.name === 'decimal' && reader.kind === 'string')
    return [{ path, reason: 'it was a decimal and is now string: its bytes are no text' }];
  if (!isTime(now) || !isTime(then) || now.name === then.name) return [];
  return [
    {
      path,
      reason: `the time was in ${then.name} and is now in ${now.name}: what was written would be another time`,
    },
  ];
}

/** Whether it is a date, a time of day or a timestamp. */
const isTime = (logical: Logical | undefined): logical is Logical =>
  logical !== undefined && logical.name !== 'decimal' && logical.name !== 'uuid';

const logicalOf = (schema: Schema): Logical | undefined => ('logical' in schema ? schema.logical : undefined);

const because = (wrong: readonly Incompatibility[], path: string): string => {
  const [first] = wrong;
  return first && first.path !== path ? ` (${first.path}: ${first.reason})` : '';
};

/** An incompatibility between a new schema and a version. */
export interface CompatibilityProblem extends Incompatibility {
  readonly version: number;
  /**
   * `backward`: the new schema cannot read what the version wrote; `forward`: the version cannot read what
   * the new schema writes.
   */
  readonly direction: 'backward' | 'forward';
}

/** All incompatibilities of a new schema under a mode; `before` is in the order of versions. */
export function checkCompatibility(
  mode: Compatibility,
  schema: Schema,
  before: readonly { readonly version: number; readonly schema: Schema }[],
): readonly CompatibilityProblem[] {
  const compared = mode.endsWith('_TRANSITIVE') ? before : before.slice(-1);
  const backward = mode.startsWith('BACKWARD') || mode.startsWith('FULL');
  const forward = mode.startsWith('FORWARD') || mode.startsWith('FULL');
  return compared
    .toReversed()
    .flatMap(({ version, schema: old }) => [
      ...(backward
        ? incompatibilities(schema, old).map((wrong) => ({ ...wrong, version, direction: 'backward' as const }))
        : []),
      ...(forward
        ? incompatibilities(old, schema).map((wrong) => ({ ...wrong, version, direction: 'forward' as const }))
        : []),
    ]);
}

/** The problem as a sentence. */
export const problemText = ({ version, direction, path, reason }: CompatibilityProblem): string =>
  direction === 'backward'
    ? `the new schema cannot read version ${version}: ${path}: ${reason}`
    : `version ${version} cannot read the new schema: ${path}: ${reason}`;
