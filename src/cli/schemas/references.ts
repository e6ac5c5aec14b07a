import type { SchemaReference, SchemaRegistry } from '../../serdes/registry/port.js';
import type { WorkingSchema } from './files.js';

/** The last versions of the schemas that this one refers to: they were registered before it. */
export async function referencesOf(
  { uses }: WorkingSchema,
  registry: SchemaRegistry,
): Promise<readonly SchemaReference[]> {
  return Promise.all(
    uses.map(async ({ name, subject }) => ({
      name,
      subject,
      version: (await registry.version(subject, 'latest')).version,
    })),
  );
}
