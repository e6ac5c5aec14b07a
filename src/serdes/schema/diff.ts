import { show } from '../../model/text/show.js';
import {
  type EnumSchema,
  type Field,
  type FixedSchema,
  hasDefault,
  isNamed,
  type NamedSchema,
  type RecordSchema,
  type Schema,
} from './model.js';
import { logicalText, showType } from './show.js';
import { partsOf } from './walk.js';

/**
 * The differences between two schemas, one per line: `+` added, `-` removed, `~` changed. Docs are not
 * compared.
 */
export function schemaDiff(before: Schema, after: Schema): readonly string[] {
  const [then, now] = [namedIn(before), namedIn(after)];
  const lines: string[] = [];
  if (!isNamed(before) || !isNamed(after) || before.name !== after.name) {
    const [from, to] = [describe(before), describe(after)];
    if (from !== to) lines.push(`~ ${from} → ${to}`);
  }
  for (const [name, schema] of now) {
    const old = then.get(name);
    if (!old) lines.push(`+ ${schema.kind} ${name}`);
    else if (old.kind !== schema.kind) lines.push(`~ ${name}: ${old.kind} → ${schema.kind}`);
    else lines.push(...changes(old, schema));
  }
  for (const [name, schema] of then) if (!now.has(name)) lines.push(`- ${schema.kind} ${name}`);
  return lines;
}

const describe = (schema: Schema): string => (isNamed(schema) ? `${schema.kind} ${schema.name}` : showType(schema));

function namedIn(schema: Schema): ReadonlyMap<string, NamedSchema> {
  const found = new Map<string, NamedSchema>();
  const seen = new Set<Schema>();
  const visit = (one: Schema): void => {
    if (seen.has(one)) return;
    seen.add(one);
    if (isNamed(one)) found.set(one.name, one);
    for (const part of partsOf(one)) visit(part);
  };
  visit(schema);
  return found;
}

function changes(before: NamedSchema, after: NamedSchema): readonly string[] {
  const lines = listed(`${after.name}: aliases`, before.aliases, after.aliases);
  if (before.kind === 'record' && after.kind === 'record') lines.push(...fieldChanges(before, after));
  if (before.kind === 'enum' && after.kind === 'enum') lines.push(...enumChanges(before, after));
  if (before.kind === 'fixed' && after.kind === 'fixed') {
    const [from, to] = [fixedText(before), fixedText(after)];
    if (from !== to) lines.push(`~ ${after.name}: ${from} → ${to}`);
  }
  return lines;
}

const fixedText = ({ size, logical }: FixedSchema): string =>
  `${size} bytes${logical ? ` (${logicalText(logical)})` : ''}`;

function fieldChanges(before: RecordSchema, after: RecordSchema): readonly string[] {
  const lines: string[] = [];
  const then = new Map(before.fields.map((field) => [field.name, field]));
  for (const field of after.fields) {
    const at = `${after.name}.${field.name}`;
    const old = then.get(field.name);
    if (!old) {
      lines.push(
        `+ ${at}: ${showType(field.type)}${defaultOf(field)}${field.aliases.length > 0 ? `, alias of ${field.aliases.join(', ')}` : ''}`,
      );
      continue;
    }
    const changed = differing(
      old,
      field,
      (one) => showType(one.type) + defaultOf(one),
      (one) => showType(one.type, (name) => name),
    );
    if (changed) lines.push(`~ ${at}: ${changed}`);
    const sorted = differing(old, field, ({ order = 'ascending' }) => order);
    if (sorted) lines.push(`~ ${at}: order ${sorted}`);
    lines.push(...listed(`${at}: aliases`, old.aliases, field.aliases));
  }
  const now = new Set(after.fields.map(({ name }) => name));
  const kept = (fields: readonly Field[]): readonly string[] =>
    fields.map(({ name }) => name).filter((name) => then.has(name) && now.has(name));
  lines.push(...listed(`${after.name}: fields`, kept(before.fields), kept(after.fields)));
  for (const field of before.fields)
    if (!now.has(field.name)) lines.push(`- ${before.name}.${field.name}: ${showType(field.type)}${defaultOf(field)}`);
  return lines;
}

/** The change in the first of these descriptions that differs; undefined if none does. */
function differing<T>(before: T, after: T, ...words: readonly ((one: T) => string)[]): string | undefined {
  const say = words.find((each) => each(before) !== each(after));
  return say && `${say(before)} → ${say(after)}`;
}

function enumChanges(before: EnumSchema, after: EnumSchema): readonly string[] {
  const lines = listed(`${after.name}: symbols`, before.symbols, after.symbols);
  if (before.default !== after.default)
    lines.push(`~ ${after.name}: default ${before.default ?? '(none)'} → ${after.default ?? '(none)'}`);
  return lines;
}

function listed(what: string, before: readonly string[], after: readonly string[]): string[] {
  const added = after.filter((name) => !before.includes(name)).map((name) => `+${name}`);
  const gone = before.filter((name) => !after.includes(name)).map((name) => `-${name}`);
  if (added.length + gone.length > 0) return [`~ ${what} ${[...added, ...gone].join(' ')}`];
  return before.join() === after.join() ? [] : [`~ ${what} in another order: ${after.join(', ')}`];
}

const defaultOf = (field: Field): string => (hasDefault(field) ? `, default ${show(field.default)}` : '');
