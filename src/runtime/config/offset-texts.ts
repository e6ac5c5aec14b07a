/**
 * The metadata that millrace stores with committed offsets: JSON of format 1, with a field for each purpose.
 * These are stream times, a version, error policies, epochs, the next record's time, the marks of a reset and
 * of a retired application. Anyone allowed to commit offsets of the group may write other metadata. A text
 * that does not parse counts as empty and is not kept; code that reads a field validates it.
 */
const HEAD = '{"format":1,';

/** The fields, not validated. */
export function textOf(metadata = ''): Readonly<Record<string, unknown>> {
  if (!metadata.startsWith(HEAD)) return {};
  try {
    return JSON.parse(metadata) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/** The text with fields added or replaced; fields that are undefined are removed. */
export function addedTo(metadata: string | undefined, fields: object): string {
  const { format: _, ...rest } = textOf(metadata);
  return JSON.stringify({ format: 1, ...rest, ...fields });
}

/** Whether the value is an object with fields: no array, not null. */
export const isFields = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
