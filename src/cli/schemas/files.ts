import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { isStreamsError, messageOf, StreamsError } from '../../model/errors.js';
import type { SchemaFile } from '../../serdes/schema/generate.js';
import { jsonText } from '../../serdes/schema/json-text.js';
import type { NamedSchema } from '../../serdes/schema/model.js';
import { jsonOf, type ParsedSchema, parseSchema } from '../../serdes/schema/parse.js';
import { usedTypes } from '../../serdes/schema/walk.js';

const EXTENSION = '.avsc';

/**
 * A schema in a file. Its subject is the name of the file; types that it refers to without defining them are
 * in other files.
 */
export interface WorkingSchema extends SchemaFile {
  readonly subject: string;
  /** The path for display. */
  readonly path: string;
  /** The types of other files that it refers to. */
  readonly uses: readonly { readonly name: string; readonly subject: string }[];
}

/** A file that is not parsed yet. */
export interface SchemaText {
  readonly path: string;
  readonly text: string;
}

/**
 * The schemas of a directory, or of one file with the other files that it needs; each comes after those that
 * it refers to. Errors: SCHEMA_INVALID with the file and the problem.
 */
export function readSchemas(path: string, cwd: string): readonly WorkingSchema[] {
  const absolute = resolve(cwd, path);
  const stats = statSync(absolute, { throwIfNoEntry: false });
  if (!stats) throw missing(path, 'no such file or directory');
  const shown = (file: string): string => relative(cwd, file) || file;
  if (stats.isDirectory()) {
    const files = readdirSync(absolute, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith(EXTENSION))
      .sort();
    if (files.length === 0) throw missing(path, `no file that ends in ${EXTENSION}`);
    return orderSchemas(
      files.map((name) => ({ path: shown(join(absolute, name)), text: readFileSync(join(absolute, name), 'utf8') })),
    );
  }
  const wanted = subjectOf(path);
  const all = readSchemas(join(absolute, '..'), cwd);
  return all.filter(({ subject }) => subject === wanted);
}

/** Parses schemas that may refer to each other; returns them in an order in which they can be registered. */
export function orderSchemas(texts: readonly SchemaText[]): readonly WorkingSchema[] {
  const ordered: WorkingSchema[] = [];
  const named = new Map<string, NamedSchema>();
  const owners = new Map<NamedSchema, string>();
  let left = [...texts];
  while (left.length > 0) {
    const failures = new Map<SchemaText, unknown>();
    for (const one of left) {
      let parsed: ParsedSchema;
      try {
        parsed = parseSchema(one.text, { at: one.path, named });
      } catch (error) {
        failures.set(one, error);
        continue;
      }
      const subject = subjectOf(one.path);
      if (ordered.some((other) => other.subject === subject)) throw twice(subject, one.path);
      for (const [name, schema] of parsed.defines) {
        named.set(name, schema);
        owners.set(schema, subject);
      }
      const uses = usedTypes(parsed.schema, parsed.defines).map((schema) => ({
        name: schema.name,
        subject: owners.get(schema) as string,
      }));
      ordered.push({ ...parsed, ...one, name: subject, subject, text: jsonText(jsonOf(one.text)), uses });
    }
    // A schema that refers to a later type is parsed again after that type.
    if (failures.size === left.length) throw [...failures.values()][0];
    left = [...failures.keys()];
  }
  return ordered;
}

const subjectOf = (path: string): string => basename(path, EXTENSION);

const missing = (at: string, saw: string): StreamsError =>
  new StreamsError('SCHEMA_UNKNOWN', {
    what: 'there are no schemas',
    at,
    saw,
    expected: `a file, or a directory with files, that end in ${EXTENSION}`,
    action: 'Correct the path.',
  });

const twice = (subject: string, at: string): StreamsError =>
  new StreamsError('SCHEMA_INVALID', {
    what: `two files have the name ${subject}`,
    at,
    action: 'Give each file a unique name: the name is the subject.',
  });

/** The text of an error about one schema, for a list of several. */
export const problemOf = (error: unknown): string => (isStreamsError(error) ? error.problem : messageOf(error));
