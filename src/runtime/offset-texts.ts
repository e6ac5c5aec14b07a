/**
 * The texts that millrace keeps with committed offsets: JSON of format 1, with a field for each who has
 * something to say (stream times, a version, epochs, the next record's time, the marks of a reset and of
 * an application that was retired). Whoever may commit offsets of the group
 * may write another text: one that does not parse counts as none and is not kept, and who reads a field
 * checks that it is what it should be.
 */
const HEAD = '{"format":1,';

/** The fields, as somebody wrote them. */
export function textOf(metadata = ''): Readonly<Record<string, unknown>> {
  if (!metadata.startsWith(HEAD)) return {};
  try {
    return JSON.parse(metadata) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/** The text with fields added, or replaced; those that are undefined are taken out. */
export function addedTo(metadata: string | undefined, fields: object): string {
  const { format: _, ...rest } = textOf(metadata);
  return JSON.stringify({ format: 1, ...rest, ...fields });
}

/** Whether that is an object with fields: no array, not null. */
export const isFields = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
