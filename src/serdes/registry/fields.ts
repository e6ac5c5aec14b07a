import type { SchemaReference } from './port.js';

/** The fields of a JSON object; none for any other value. */
export const fieldsOf = (json: unknown): Readonly<Record<string, unknown>> =>
  typeof json === 'object' && json !== null ? (json as Readonly<Record<string, unknown>>) : {};

/** Whether this is a list of references to versions of subjects. */
export const areReferences = (references: unknown): references is readonly SchemaReference[] =>
  Array.isArray(references) &&
  references.every((one) => {
    const { name, subject, version } = fieldsOf(one);
    return typeof name === 'string' && typeof subject === 'string' && Number.isSafeInteger(version);
  });
