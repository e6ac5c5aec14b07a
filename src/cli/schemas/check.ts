import type { SchemaRegistry, SchemaSource } from '../../serdes/registry/port.js';
import { resolveSchema } from '../../serdes/registry/resolve.js';
import {
  type Compatibility,
  type CompatibilityProblem,
  checkCompatibility,
} from '../../serdes/schema/compatibility.js';
import type { Schema } from '../../serdes/schema/model.js';
import { schemaText } from '../../serdes/schema/text.js';
import { orderSchemas, problemOf, type SchemaText, type WorkingSchema } from './files.js';

/** The result for one schema. */
export interface Checked {
  readonly subject: string;
  readonly mode: Compatibility;
  /** The versions for the comparison; empty for a new subject. */
  readonly versions: readonly number[];
  readonly unchanged: boolean;
  readonly problems: readonly CompatibilityProblem[];
  /** Why the comparison was impossible. */
  readonly failure?: string;
}

/** A schema that may become the next version of a subject. */
export interface NextSchema {
  readonly subject: string;
  readonly schema: Schema;
  /** The source that would be registered. */
  source(): Promise<SchemaSource>;
}

/**
 * Compares schemas with the versions in a registry, in the given mode, or else in the mode of each subject.
 */
export async function checkAgainstRegistry(
  schemas: readonly NextSchema[],
  registry: SchemaRegistry,
  mode: Compatibility | undefined,
): Promise<readonly Checked[]> {
  const checked: Checked[] = [];
  for (const one of schemas) {
    const { subject, schema } = one;
    const used = mode ?? (await registry.compatibility(subject));
    const versions = await registry.versions(subject);
    const before: { version: number; schema: Schema }[] = [];
    try {
      for (const version of versions) {
        const source = await registry.version(subject, version);
        before.push({
          version,
          schema: (await resolveSchema(registry, source, `version ${version} of ${subject}`)).schema,
        });
      }
    } catch (error) {
      checked.push({ subject, mode: used, versions, unchanged: false, problems: [], failure: problemOf(error) });
      continue;
    }
    const result = compared(schema, before, used);
    const conforms = mode === undefined && versions.length > 0 && !result.unchanged && result.problems.length === 0;
    const refused = conforms ? await refusal(one, registry) : undefined;
    checked.push({ subject, mode: used, versions, ...result, ...(refused !== undefined && { failure: refused }) });
  }
  return checked;
}

/** A schema that conforms to the subject's mode may still break other rules of the registry. */
async function refusal(next: NextSchema, registry: SchemaRegistry): Promise<string | undefined> {
  const reason = await registry.refuses?.(next.subject, await next.source());
  return reason === undefined ? undefined : `the schema registry would refuse it: ${reason}`;
}

/** Compares schemas with those of another state of the directory, which counts as version 1. */
export function checkAgainstTexts(
  schemas: readonly WorkingSchema[],
  texts: readonly SchemaText[],
  mode: Compatibility,
): readonly Checked[] {
  const before = new Map(orderSchemas(texts).map((one) => [one.subject, one.schema]));
  return schemas.map(({ subject, schema }) => {
    const old = before.get(subject);
    return {
      subject,
      mode,
      versions: old ? [1] : [],
      ...compared(schema, old ? [{ version: 1, schema: old }] : [], mode),
    };
  });
}

function compared(
  schema: Schema,
  before: readonly { readonly version: number; readonly schema: Schema }[],
  mode: Compatibility,
): Pick<Checked, 'unchanged' | 'problems'> {
  const text = schemaText(schema);
  // An existing version is not registered again.
  if (before.some((old) => schemaText(old.schema) === text)) return { unchanged: true, problems: [] };
  return { unchanged: false, problems: checkCompatibility(mode, schema, before) };
}
